package notifier

import (
	"context"
	"errors"
)

// Threading is how the messages about one execution to one destination belong together.
type Threading string

// The ways of threading.
const (
	Apart   Threading = ""        // they do not
	Replies Threading = "replies" // the first begins a thread, the others are replies in it
	Edits   Threading = "edits"   // there is one message, which is edited; only of an Updater
	States  Threading = "states"  // each says how one thing stands; of a Stateful, whether it is Threaded or not
)

// Threaded is a Destination whose messages may belong together.
type Threaded interface {
	Destination
	// Threading is how they do.
	Threading() Threading
	// WithRoot returns a copy to which messages are replies in the thread that root, a receipt of the same
	// notifier, began. A thread that the service does not know any more is begun anew by the next message.
	WithRoot(root Receipt) Destination
	// Root returns what WithRoot takes so that messages come into the same thread as the one with this receipt.
	Root(r Receipt) Receipt
}

// Updater is a BaseNotifier that can edit what it sent.
type Updater interface {
	// Update makes the message with this receipt say m, and returns its receipt. To repeat it does no harm,
	// so its errors are Retry where Send's are Unknown. An error that wraps ErrMessageGone says that there is no
	// such message to edit (any more), and that a new one may be sent.
	Update(ctx context.Context, d Destination, of Receipt, m Message) (Receipt, error)
}

// ErrMessageGone is wrapped by Updater.Update's error when the message was deleted or cannot be edited, and by the
// error of a Send to a thread that takes no more replies.
var ErrMessageGone = errors.New("message is gone")

// Acknowledger is a BaseNotifier whose service lets people mark a message as seen to.
type Acknowledger interface {
	// Acknowledged says whether anybody has, and who and how in a few words ("U012 with :eyes:"); empty: nobody.
	// An error that wraps ErrLookImpossible means that it can never be answered (a missing scope, say).
	Acknowledged(ctx context.Context, r Receipt) (by string, err error)
}
