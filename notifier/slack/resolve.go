package slack

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
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
		id, err = c.channel(ctx, strings.TrimPrefix(dest.Channel, "#"), &n.untold)
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
func (c *call) channel(ctx context.Context, name string, u *untold) (string, error) {
	if u.has(name) || u.has(everyName) {
		return "", nil
	}
	all := []string{"public_channel", "private_channel"}
	for _, types := range [][]string{all, all[:1], all[1:]} { // the token may be let see one kind only
		id, err := c.search(ctx, name, types)
		switch {
		case err == nil:
			if id == "" {
				u.add(name)
			}
			return id, nil
		case !c.refusedWith(err, "no_permission", "access_denied"):
			return "", c.reading(err)
		}
	}
	u.add(everyName)
	return "", nil
}

// search pages through the channels of these types. Its error is the library's own.
func (c *call) search(ctx context.Context, name string, types []string) (string, error) {
	params := &slack.GetConversationsParameters{Types: types, ExcludeArchived: true, Limit: listPage}
	for range listPages {
		channels, cursor, err := c.api.GetConversationsContext(ctx, params)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(channels, func(ch slack.Channel) bool { return ch.Name == name || ch.NameNormalized == name })
		if i >= 0 {
			return channels[i].ID, nil
		}
		if params.Cursor = cursor; cursor == "" {
			break
		}
	}
	return "", nil
}

// untoldFor is how long Slack is not asked again for a name that it did not tell.
const untoldFor = time.Minute

// everyName stands for all names, where the token may list none.
const everyName = "*"

// untold remembers the names that Slack did not tell. The message goes to the name as written,
// and listing all channels for each would spend the few calls a minute that Slack allows.
type untold struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (u *untold) add(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(u.until, func(_ string, until time.Time) bool { return until.Before(now) })
	if u.until == nil {
		u.until = map[string]time.Time{}
	}
	u.until[name] = now.Add(untoldFor)
}

func (u *untold) has(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Now().Before(u.until[name])
}
