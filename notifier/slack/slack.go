// Package slack delivers messages through Slack's Web API with a bot token. Everything that
// knows Slack is here: Block Kit, channel names and ids, what Slack's errors mean. It sends one
// message a call, and neither waits nor tries again.
package slack

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Kind is the key of Slack in specs and in the server's config.
const Kind = "slack"

// Manifest describes the notifier to the registry.
func Manifest() notifier.Manifest {
	return notifier.Manifest{
		Kind:        Kind,
		Title:       "Slack",
		Destination: func() notifier.Destination { return &Destination{} },
		Config:      func() any { return &Config{} },
		New:         open,
		Rate:        notifier.Rate{PerSecond: 1, Burst: 1},
		Guarantee: "Once, where the bot is a member of the channel and may read its history (channels:history, " +
			"groups:history, im:history); at least once elsewhere.",
	}
}

func open(config any, d notifier.Deps) (notifier.BaseNotifier, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("open slack: config is a %T", config)
	}
	return New(*c, d.HTTP)
}

// Notifier sends with one bot token. It is also a notifier.Looker, notifier.Resolver, notifier.Updater,
// notifier.Acknowledger and notifier.Checker, and safe for concurrent use.
type Notifier struct {
	config   Config
	http     *http.Client
	channels *listing

	directory directory
	denied    denied
}

var (
	_ notifier.BaseNotifier = (*Notifier)(nil)
	_ notifier.Looker       = (*Notifier)(nil)
	_ notifier.Resolver     = (*Notifier)(nil)
	_ notifier.Checker      = (*Notifier)(nil)
	_ notifier.Updater      = (*Notifier)(nil)
	_ notifier.Acknowledger = (*Notifier)(nil)
	_ notifier.Threaded     = (*Destination)(nil)
	_ notifier.Gatherer     = (*Destination)(nil)
	_ notifier.Shaped       = (*Destination)(nil)
)

// New returns a notifier for the config. It fails when the token cannot be read, naming its
// reference. The token is read again at every call, so that a rotated one is taken up.
func New(c Config, client *http.Client) (*Notifier, error) {
	if _, err := c.Token.Value(); err != nil {
		return nil, fmt.Errorf("open slack: token: %w", err)
	}
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	return &Notifier{config: c, http: client, channels: newListing()}, nil
}

// Send posts m with chat.postMessage. The receipt holds the channel's id and the message's ts, and that of a reply
// the thread's. An error text that is longer than the message shows follows as a file in the message's thread; the
// receipt has its id, or why there is none. Errors name Slack's code ("slack: not_in_channel").
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	dest, ok := d.(*Destination)
	if !ok {
		return nil, notifier.Permanent.Errorf("slack: destination is a %T", d)
	}
	target := dest.target()
	if target == "" { // a person nobody resolved yet
		found, err := n.Resolve(ctx, dest)
		if err != nil {
			return nil, err
		}
		target = found.ID
	}
	c, err := n.call()
	if err != nil {
		return nil, err
	}
	dest, m = n.addressed(ctx, c, dest, m)
	attached, m := n.reserve(ctx, c, dest, m)
	r, err := c.deliver(ctx, target, dest, m)
	if err != nil {
		return nil, err
	}
	c.attach(ctx, attached, m.Key, r)
	return r, nil
}

// deliver posts a message. What was refused for something that can be mended, and so is surely not posted, is posted
// once more: after joining the channel, or in the default blocks. Its errors have a verdict.
func (c *call) deliver(ctx context.Context, target string, d *Destination, m notifier.Message) (notifier.Receipt, error) {
	look := d.dress(m)
	r, err := c.post(ctx, target, d, m, look)
	again, fault := c.admitted(ctx, target, err)
	if fault != nil {
		return nil, fault
	}
	if again {
		r, err = c.post(ctx, target, d, m, look)
	}
	if why := c.refusedBlocks(err); why != "" && look.own {
		r, err = c.post(ctx, target, d, m, d.plainly(m, why))
	}
	if err != nil {
		return nil, c.classify(err)
	}
	if r[receiptTS] == "" { // the library takes {"ok":false} without an error for success
		return nil, notifier.Unknown.Errorf("slack: an answer that neither accepts nor refuses the message")
	}
	return r, nil
}

// post posts a message once. Its error is the library's own.
func (c *call) post(ctx context.Context, target string, d *Destination, m notifier.Message, look dressed) (notifier.Receipt, error) {
	channel, ts, posted, err := c.api.PostMessageWithResponseContext(ctx, target, append(content(m, look), d.reply(m)...)...)
	if err != nil {
		return nil, err
	}
	return c.receipt(cmp.Or(channel, target), ts, posted.ThreadTimestamp), nil
}

// receipt is that of a message. thread is as Slack has it: a reply to a message that was deleted is in none, and
// Slack shows it in the channel without a word.
func (c *call) receipt(channel, ts, thread string) notifier.Receipt {
	const most = 100 // characters, far more than any has
	r := notifier.Receipt{receiptChannel: c.Quote(channel, most), receiptTS: c.Quote(ts, most)}
	if thread != "" && thread != ts {
		r[receiptThread] = c.Quote(thread, most)
	}
	return r
}

func content(m notifier.Message, look dressed) []slack.MsgOption {
	return []slack.MsgOption{
		slack.MsgOptionText(look.text, false),
		slack.MsgOptionBlocks(look.blocks...),
		slack.MsgOptionMetadata(metadata(m)),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
		slack.MsgOptionLinkNames(false),
	}
}
