package slack

import (
	"cmp"
	"context"
	"slices"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// The values of a destination's `thread`.
const (
	threadExecution = "execution"
	threadNone      = "none"
)

// The keys of a receipt.
const (
	receiptChannel = "channel"   // the channel's id
	receiptTS      = "ts"        // the message's
	receiptThread  = "thread_ts" // that of the message which began the thread; only of a reply
)

// Threading is that of the keys `thread` and `update`.
func (d *Destination) Threading() notifier.Threading {
	switch {
	case d.Update:
		return notifier.Edits
	case d.Thread == threadExecution:
		return notifier.Replies
	}
	return notifier.Apart
}

// Gathered returns a copy whose messages stand apart: one that tells of several executions belongs to no thread.
func (d *Destination) Gathered() notifier.Destination {
	all := *d
	all.Thread, all.Broadcast, all.Update, all.Blocks, all.root = "", false, false, nil, nil
	all.Mention = slices.DeleteFunc(slices.Clone(all.Mention), func(one string) bool { return one == owner })
	if d.Channel != "" {
		all.Channel = d.Address() // "ml" and "#ml" are one
	}
	return &all
}

// WithRoot returns a copy that replies in the thread that the message with this receipt began.
func (d *Destination) WithRoot(root notifier.Receipt) notifier.Destination {
	reply := *d
	reply.root = root
	return &reply
}

// Root is the receipt of the message that began the thread which the message with this receipt is in.
func (d *Destination) Root(r notifier.Receipt) notifier.Receipt {
	return notifier.Receipt{receiptChannel: r[receiptChannel], receiptTS: cmp.Or(r[receiptThread], r[receiptTS])}
}

// thread is the ts of the thread to reply in; empty if there is none, or not in the channel that the destination
// is now.
func (d *Destination) thread() string {
	if d.elsewhere(d.root) {
		return ""
	}
	return d.root[receiptTS]
}

// elsewhere says whether a message is in another channel than the destination: one may have been replaced by
// another of its name.
func (d *Destination) elsewhere(r notifier.Receipt) bool {
	id := d.exactID()
	return channelID.MatchString(id) && r[receiptChannel] != id
}

// reply makes the message one in the destination's thread, if it has one. One that tells of a failure is shown in
// the channel as well, if the destination wants it.
func (d *Destination) reply(m notifier.Message) []slack.MsgOption {
	thread := d.thread()
	switch {
	case thread == "":
		return nil
	case d.Broadcast && m.Status == notifier.Failure:
		return []slack.MsgOption{slack.MsgOptionTS(thread), slack.MsgOptionBroadcast()}
	}
	return []slack.MsgOption{slack.MsgOptionTS(thread)}
}

// Update edits a message with chat.update.
func (n *Notifier) Update(ctx context.Context, d notifier.Destination, of notifier.Receipt, m notifier.Message) (notifier.Receipt, error) {
	dest, ok := d.(*Destination)
	if !ok {
		return nil, notifier.Permanent.Errorf("slack: destination is a %T", d)
	}
	if dest.elsewhere(of) || of[receiptTS] == "" {
		return nil, notifier.Permanent.Errorf("slack: the message is not in %s: %w", dest.Address(), notifier.ErrMessageGone)
	}
	c, err := n.call()
	if err != nil {
		return nil, err
	}
	dest, m = n.addressed(ctx, c, dest, m)
	look := dest.dress(m)
	channel, ts, _, err := c.api.UpdateMessageContext(ctx, of[receiptChannel], of[receiptTS], content(m, look)...)
	if why := c.refusedBlocks(err); why != "" && look.own {
		channel, ts, _, err = c.api.UpdateMessageContext(ctx, of[receiptChannel], of[receiptTS], content(m, dest.plainly(m, why))...)
	}
	switch {
	case err != nil:
		return nil, c.reading(err) // an edit may be repeated as a question may
	case ts == "":
		return nil, notifier.Retry.Errorf("slack: chat.update neither answered nor refused")
	}
	return c.receipt(cmp.Or(channel, of[receiptChannel]), ts, ""), nil
}

// lost says whether a code means that there is no such message to edit or to reply to.
func lost(code string) bool {
	switch code {
	case "message_not_found", "cant_update_message", "edit_window_closed",
		"thread_not_found", "cannot_reply_to_message", "restricted_action_thread_locked":
		return true
	}
	return false
}

type lostError struct{ error }

func (e *lostError) Is(target error) bool { return target == notifier.ErrMessageGone }
func (e *lostError) Unwrap() error        { return e.error }
