// Package store is what must survive a kill -9: watches, deliveries, timelines, notes, rate tokens.
//
// It holds the words and the ports; each engine (store/sqlite, store/postgres) implements all of them,
// and passes store/storetest. Engines decide nothing: no clock (callers pass now), no retry policy, no
// rules. Every write is one transaction and may be repeated without harm.
package store

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

var (
	// ErrNotFound is returned for an id that the healthy store does not hold.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned by a write whose row moved on since it was read.
	ErrConflict = errors.New("changed meanwhile")
)

// WatchState is where a watch is in its life.
type WatchState string

// The states of a watch.
const (
	Active    WatchState = "active"    // followed
	Ended     WatchState = "ended"     // the watched execution (or node) ended; or the send was handed over
	Cancelled WatchState = "cancelled" // its waiting task was aborted or timed out
	Lost      WatchState = "lost"      // flyteadmin does not know the execution
)

// Kind is what a watch was registered for.
type Kind string

// The kinds of watches.
const (
	Follow Kind = "follow" // a notification task: follow the execution, evaluate its rules
	Send   Kind = "send"   // a notification_send task: gather facts, send once, end
)

// Watch is one execution, or one node of it, followed for one notification task.
type Watch struct {
	ID        string // made from the task's idempotency key, see agent
	Kind      Kind
	Attempt   uint32            // the latest attempt of the task that registered it
	State     WatchState        //
	Execution flyte.ExecutionID // what is watched
	Node      string            // a node of it, or empty
	Own       flyte.ExecutionID // the execution the task itself runs in; zero outside of one
	Wait      bool              // the task waits for the end
	Custom    json.RawMessage   // the spec, as validated
	Inputs    json.RawMessage   // the task's inputs by name, as JSON
	Outputs   []string          // the outputs that the task declares
	Phase     string            // the phase last recorded; empty before the first look
	Version   int64             // raised by every write; guards Move
	Trace     string            // W3C traceparent of the call that registered it; empty if none
	Missing   time.Time         // when flyteadmin first answered NotFound; zero if it did not
	Reason    string            // why it is cancelled or lost
	CreatedAt time.Time         //
	EndedAt   time.Time         // when it left Active; zero before
}

// DeliveryState is where a delivery is in its life.
type DeliveryState string

// The states of a delivery. Superseded and Silenced are set by features that hold messages back.
const (
	Pending    DeliveryState = "pending"
	Delivered  DeliveryState = "delivered"
	Dead       DeliveryState = "dead"
	Superseded DeliveryState = "superseded"
	Silenced   DeliveryState = "silenced"

	// Held is Pending to its users, with HeldUntil: it is not sent, and nothing waits for it, before a Change
	// releases it.
	Held DeliveryState = "held"
)

// Settled says whether the outbox has nothing left to do for a delivery in this state.
func (s DeliveryState) Settled() bool { return s != Pending && s != Held }

// Delivery is one occurrence's message to one destination.
type Delivery struct {
	ID          string            // made from Key; the same for every replay of the occurrence
	Key         string            // watch, execution, rule, reason, count and step
	WatchID     string            //
	Execution   flyte.ExecutionID // what the message is about
	Rule        string
	Reason      string          // "phase:FAILED"
	Kind        string          // the notifier: "slack"
	Connection  string          // its name; empty for stdout
	Destination json.RawMessage // the destination's keys, templates rendered
	Address     string          // Destination.Address, for lanes and tables
	Content     json.RawMessage // what render.Message makes the message from, see render.Content
	State       DeliveryState
	Attempts    int              // sends started
	NextAt      time.Time        // when the outbox looks at it again, while Pending
	OpenedAt    time.Time        // start of an attempt that has not been settled; zero if none
	UnknownAt   time.Time        // start of the first attempt whose outcome is unknown; zero if none
	Double      bool             // possibly double: sent again after an unknown outcome that could not be looked up
	LastError   string           // why the last attempt failed, without secrets
	Trace       string           // W3C traceparent of the transition that made it; empty if none
	RenderError string           // a template failed, so that the default message was sent
	Receipt     notifier.Receipt // once Delivered
	CreatedAt   time.Time
	Since       time.Time // when its retry policy began to count: CreatedAt, or the last redrive
	Spent       int       // Attempts at that time
	SettledAt   time.Time // when it left Pending; zero before
	HeldUntil   time.Time // when its bundle is to be released; zero: it was never held, or until somebody does
	Bundle      string    // what it is held with; kept once it is released, as HeldUntil is
	Over        string    // why it is not to be sent again, should its attempt not have told it, see Change; empty: it stands
}

// Lane is one destination of one connection: its deliveries share a rate, and never wait for
// another lane's.
type Lane struct {
	Connection string
	Address    string
}

// LaneWindow is how many deliveries of a lane that is asked what is due are under way at once, those that wait among them.
const LaneWindow = 16

// DueLane is a lane for which there is something due.
type DueLane struct {
	Lane
	// Mark says which deliveries are due, the first LaneWindow of them, and since when. As long as it stays the same
	// nothing was added to what was due. An engine with a Queue leaves it empty: there nobody asks for it.
	Mark string
}

// Event is one line of a watch's timeline.
type Event struct {
	Seq  int64 // ascending within a watch: a token to read on from
	At   time.Time
	Kind string // registered, phase, fired, retry, delivered, dead, error, cancelled ...
	Text string // for people
}

// Transition moves a watch and records what follows from it, in one transaction.
type Transition struct {
	Watch  Watch   // as it shall be, see Move; Version as it was read
	Events []Event // appended; Seq is the store's to give
	Change
}

// Rate is one token bucket of which an attempt takes a token: PerSecond tokens arrive each
// second, and at most Burst are kept.
type Rate struct {
	Bucket    string
	PerSecond float64
	Burst     int
}

// Outcome is what an attempt came to, as the outbox decided.
type Outcome struct {
	Attempt     int           // which: the delivery's Attempts, as Begin left them; 0: none was begun
	State       DeliveryState // Pending to try again at NextAt
	NextAt      time.Time
	Unknown     bool // this attempt's outcome is unknown: keep its start in UnknownAt
	Double      bool
	LastError   string
	RenderError string
	Receipt     notifier.Receipt
	Hold        time.Time // the service wants nothing for the lane before; zero: no wish. See MaxHold
	At          time.Time
	Event       Event
}

// MaxHold is how far ahead a Hold may be. One that is further, which nobody asks for, comes of a clock
// that was wrong: it holds nothing. It is an hour, and some minutes that clocks may differ.
const MaxHold = 65 * time.Minute

// Filter selects deliveries or watches for a table. Zero fields select all.
type Filter struct {
	State string
	IDs   []string
	Limit int // newest first when set; oldest first when zero

	Since time.Time // only what was settled, of watches: ended, then or later; what is not counts from its creation
}
