package slack

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

const (
	listPage  = 999 // the most that conversations.list gives at once
	listPages = 20  // the calls that Slack allows a minute; beyond it names are used as written
)

// Resolve finds the exact id of d's conversation, and the names an allow list may use. Where
// Slack will not tell (a missing scope, a channel that the bot cannot see), the result has no id
// and the message goes to the name as written. A person whom Slack does not know is a permanent
// error.
func (n *Notifier) Resolve(ctx context.Context, d notifier.Destination) (notifier.Resolved, error) {
	dest, ok := d.(*Destination)
	if !ok {
		return notifier.Resolved{}, notifier.Permanent.Errorf("slack: destination is a %T", d)
	}
	c, err := n.call()
	if err != nil {
		return notifier.Resolved{}, err
	}
	var id, alias string
	switch {
	case dest.Email != "":
		id, err = c.person(ctx, dest.Email)
	case dest.exactID() != "":
		id = dest.exactID()
		alias, err = c.nameOf(ctx, id)
	default:
		id, err = c.channel(ctx, strings.TrimPrefix(dest.Channel, "#"), n.channels)
	}
	if err != nil {
		return notifier.Resolved{}, err
	}
	names := slices.DeleteFunc([]string{dest.Address(), id, alias}, func(s string) bool { return s == "" })
	slices.Sort(names)
	return notifier.Resolved{ID: id, Names: slices.Compact(names)}, nil
}

// person returns the id of the direct message with the user of this address. Without the scope
// to open it, the user's own id does: Slack opens the conversation at the first message.
func (c *call) person(ctx context.Context, email string) (string, error) {
	user, err := c.api.GetUserByEmailContext(ctx, email)
	if err != nil {
		return "", c.reading(err)
	}
	if user.ID == "" {
		return "", notifier.Retry.Errorf("slack: users.lookupByEmail answered without a user")
	}
	channel, _, _, err := c.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{user.ID}})
	switch {
	case err != nil && c.refusedWith(err):
		return user.ID, nil
	case err != nil:
		return "", c.reading(err)
	case channel == nil || channel.ID == "":
		return user.ID, nil
	}
	return channel.ID, nil
}

// nameOf returns "#name" of a channel's id, or "" where there is none or Slack does not tell.
func (c *call) nameOf(ctx context.Context, id string) (string, error) {
	channel, err := c.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	switch {
	case err != nil && c.refusedWith(err, "channel_not_found", "no_permission", "access_denied"):
		return "", nil // the send itself will say what is wrong
	case err != nil:
		return "", c.reading(err)
	case channel.Name == "":
		return "", nil
	}
	return "#" + channel.Name, nil
}

// channel returns the id of the channel of this name, or "" where Slack does not tell.
func (c *call) channel(ctx context.Context, name string, known *listing) (string, error) {
	leave, err := known.enter(ctx)
	if err != nil {
		return "", c.reading(err)
	}
	defer leave()
	if id, ok := known.find(name); ok {
		return id, nil
	}
	all := []string{"public_channel", "private_channel"}
	for _, types := range [][]string{all, all[:1], all[1:]} { // the token may be let see one kind only
		err := c.list(ctx, name, types, known)
		switch {
		case err == nil:
			id, _ := known.find(name)
			return id, nil
		case !c.refusedWith(err, "no_permission", "access_denied"):
			return "", c.reading(err)
		}
	}
	known.keep(nil, true)
	return "", nil
}

// list pages through the channels of these types, as far as the name or the last. Its error is the library's own.
func (c *call) list(ctx context.Context, name string, types []string, known *listing) error {
	params := &slack.GetConversationsParameters{Types: types, ExcludeArchived: true, Limit: listPage}
	ids := map[string]string{}
	for range listPages {
		channels, cursor, err := c.api.GetConversationsContext(ctx, params)
		if err != nil {
			return err
		}
		for _, ch := range slices.Backward(channels) { // the first of a name is the one
			ids[ch.NameNormalized], ids[ch.Name] = ch.ID, ch.ID
		}
		if _, found := ids[name]; found {
			known.keep(ids, false)
			return nil
		}
		if params.Cursor = cursor; cursor == "" {
			break
		}
	}
	known.keep(ids, true)
	return nil
}

// listedFor is how long Slack is not asked again for the names of channels that it told, or did not.
const listedFor = time.Minute

// listing is what Slack last told of names and ids. A message goes to a name that is not there as it is written, and
// listing all channels for each would spend the few calls a minute that Slack allows.
type listing struct {
	turn  chan struct{} // whoever lists; the others want to know what he finds
	ids   map[string]string
	whole bool // there are no other names
	until time.Time
}

func newListing() *listing { return &listing{turn: make(chan struct{}, 1)} }

// enter waits for the listing. leave gives it to the next.
func (l *listing) enter(ctx context.Context) (leave func(), err error) {
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// find returns what is known of a name: its id, or that there is none.
func (l *listing) find(name string) (id string, known bool) {
	if !time.Now().Before(l.until) {
		return "", false
	}
	id = l.ids[name]
	return id, id != "" || l.whole
}

func (l *listing) keep(ids map[string]string, whole bool) {
	l.ids, l.whole, l.until = ids, whole, time.Now().Add(listedFor)
}
