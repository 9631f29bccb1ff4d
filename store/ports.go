package store

import (
	"context"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// Registry is what the gRPC face needs.
type Registry interface {
	// Register stores w if its ID was never there. If it was: a higher Attempt is recorded, and
	// reopens a watch that is Cancelled or Lost; everything else stays as it is. It returns the
	// watch as stored. A purged watch comes back as Ended.
	Register(ctx context.Context, w Watch) (Watch, error)
	// Watch returns ErrNotFound for an unknown id. A purged watch comes back as from Register: its ID
	// and Ended, nothing else. What the slices of a watch hold may be shared: nobody changes it.
	Watch(ctx context.Context, id string) (Watch, error)
	// Cancel ends an Active watch as Cancelled, unless a later attempt holds it. An unknown id
	// is no error.
	Cancel(ctx context.Context, id string, attempt uint32, reason string, now time.Time) error
	// WatchDeliveries returns a watch's deliveries in order of creation.
	WatchDeliveries(ctx context.Context, watchID string) ([]Delivery, error)
	// Events returns at most limit of a watch's events with Seq > after, ascending.
	Events(ctx context.Context, watchID string, after int64, limit int) ([]Event, error)
}

// Feed is what the executor needs to follow executions.
type Feed interface {
	// Names returns at most limit names of executions in the shard to poll, by bucket and name,
	// after the given one. They are those of Follow watches that are Active, or that ended since
	// `ended`; and of the Own executions of Active waiting watches.
	Names(ctx context.Context, s flyte.Shard, ended time.Time, after string, limit int) ([]string, error)
	// ByName returns the watches behind Names for these names: those that watch such an
	// execution, and the waiting ones that run in it.
	ByName(ctx context.Context, s flyte.Scope, ended time.Time, names []string) ([]Watch, error)
	// Fresh returns at most limit Active watches of a kind that nobody has looked at yet (Phase
	// empty), oldest first.
	Fresh(ctx context.Context, k Kind, limit int) ([]Watch, error)
	// Nodes returns at most limit Active Follow watches of a node, by ID, after the given one.
	Nodes(ctx context.Context, after string, limit int) ([]Watch, error)
	// Move does a transition. Of the watch it writes State, Phase, Missing, Reason and EndedAt; what it was
	// registered with never changes. ErrConflict: the watch's Version is not the one read, or its Change meets
	// something else than was read (see there); nothing was written; read it again and decide anew.
	Move(ctx context.Context, t Transition) error
}

// Notes is what the executor remembers, and what it writes when no watch moves.
type Notes interface {
	// Notes returns those of the kind with these keys that are there, in any order.
	Notes(ctx context.Context, kind string, keys []string) ([]Note, error)
	// AllNotes returns at most limit notes of a kind by key, after the given one.
	AllNotes(ctx context.Context, kind, after string, limit int) ([]Note, error)
	// NotesOf returns the notes of a kind about an execution, by key; none for the zero id.
	NotesOf(ctx context.Context, kind string, id flyte.ExecutionID) ([]Note, error)
	// DueNotes returns at most limit notes of a kind whose Due is not after now, by Due and Key, behind the
	// given one, of which only Due and Key count (the zero Note: from the start).
	DueNotes(ctx context.Context, kind string, now time.Time, after Note, limit int) ([]Note, error)
	// NextDue returns the earliest Due of all notes of a kind; zero if there is none.
	NextDue(ctx context.Context, kind string) (time.Time, error)
	// Write does a change without a watch. ErrConflict as from Move: nothing was written.
	Write(ctx context.Context, c Change) error
}

// Bundles are the deliveries that are held back, to be released together.
type Bundles interface {
	// Bundles returns at most limit bundles of which a Held delivery's HeldUntil is not after now, by that time; of one time
	// by the first that was made.
	Bundles(ctx context.Context, now time.Time, limit int) ([]string, error)
	// NextBundle returns the earliest HeldUntil of all Held deliveries; zero if there is none.
	NextBundle(ctx context.Context) (time.Time, error)
	// Held returns at most limit Held deliveries of a bundle in order of creation.
	Held(ctx context.Context, bundle string, limit int) ([]Delivery, error)
	// DeliveriesOf returns the deliveries with these ids that are there, in order of creation.
	DeliveriesOf(ctx context.Context, ids []string) ([]Delivery, error)
}

// Shards is how servers of one store share the watching out.
type Shards interface {
	// Shards returns the shards of all scopes that Names has names for, sorted.
	Shards(ctx context.Context) ([]flyte.Shard, error)
	// Claim begins a tenure of a shard: its epoch is above every earlier one's. It returns what was
	// taken so far.
	Claim(ctx context.Context, s flyte.Shard) (epoch int64, c flyte.Cursor, err error)
	// Advance records what was taken. ErrConflict: a later tenure has begun, or the scope was split.
	Advance(ctx context.Context, s flyte.Shard, epoch int64, c flyte.Cursor) error
	// Split makes `of` shards of a scope that has fewer; each goes on where the one that it is part
	// of was. With as many or more it does nothing.
	Split(ctx context.Context, s flyte.Scope, of int) error
	// Join makes this server a member of those that share the watching.
	Join(ctx context.Context) (Membership, error)
}

// Membership is a server's part in the watching. After an error of Hold it is over: nothing is held
// any more, and the server joins anew.
type Membership interface {
	// Hold takes and gives up shards, so that this server holds its fair part of all, and no shard
	// has two holders. It is called once a second. members is how many servers share now.
	Hold(ctx context.Context, all []flyte.Shard) (held []flyte.Shard, members int, err error)
	// Leave gives up all at once.
	Leave()
}

// Outbox is what the delivery package needs.
type Outbox interface {
	// Lanes returns the lanes for which Due has something.
	Lanes(ctx context.Context, now time.Time) ([]DueLane, error)
	// Due returns at most limit due deliveries of the lane, those of a project and domain oldest first: Pending, NextAt not after
	// now, no attempt open; and of each watch only the first that is Pending, due or not, open or
	// not: later ones wait for it. An engine without a Queue has projects and domains take turns, and what is new
	// goes before reminders (see Delivery.Reminder); but of ten or more one is a reminder, if one is due.
	Due(ctx context.Context, l Lane, now time.Time, limit int) ([]Delivery, error)
	// NextAt returns the earliest NextAt of any Pending delivery after now; zero if there is none.
	NextAt(ctx context.Context, now time.Time) (time.Time, error)
	// Begin commits the start of an attempt, and takes a token of every bucket. Without tokens, or
	// while the delivery's lane is on hold (see Outcome), it writes nothing and returns how long to
	// wait. ErrConflict: the delivery is not Pending with so many Attempts, or an attempt is open.
	Begin(ctx context.Context, id string, attempts int, now time.Time, rates []Rate) (wait time.Duration, err error)
	// Settle records what an attempt (or a delivery that needed none) came to. ErrConflict: the delivery is
	// not Pending; or the outcome is of another attempt than the latest, or of none while one is open.
	Settle(ctx context.Context, id string, o Outcome) error
	// Recover turns attempts that were left open into unknown ones, due now. It is called once,
	// before the first Begin, by the only server of the store. It returns how many there were. In an
	// engine with a Queue they may be another server's: there it does nothing, see Interrupt.
	Recover(ctx context.Context, now time.Time) (int, error)
}

// Queue is the port of an engine that hands deliveries out by itself, to many servers at once. An
// engine without it is asked by Lanes and Due, and has one server.
type Queue interface {
	// Work calls do for every delivery of the connections that is Pending, the first of its watch and lane,
	// and due; on many goroutines, until ctx ends and the calls under way have returned. Their contexts
	// outlive ctx by grace at most. do returns how long to wait before the delivery is handed out
	// again, unless it was settled meanwhile. A delivery whose server died is handed out to another,
	// with OpenedAt set if an attempt was under way: it may still be. What waits for one connection holds up
	// no other's. Deliveries of a connection that no server works for are handed out in the end, to anybody.
	Work(ctx context.Context, connections []string, grace time.Duration, do func(context.Context, Delivery) (again time.Duration)) error
	// WorkAlso adds connections to those that Work is for, whether it runs already or not. What is under way
	// goes on.
	WorkAlso(connections []string)
	// Interrupt turns the attempt that was opened then into an unknown one, due now. ErrConflict: it
	// is no longer open.
	Interrupt(ctx context.Context, id string, opened, now time.Time) error
}

// Names caches what services call a destination (a Slack channel's id).
type Names interface {
	// Resolved returns the cached JSON, or ErrNotFound.
	Resolved(ctx context.Context, l Lane) ([]byte, error)
	// SetResolved caches it; nil forgets.
	SetResolved(ctx context.Context, l Lane, resolved []byte) error
}

// Ledger is what commands, metrics and retention need: tables, redrive, counts, purges.
type Ledger interface {
	// Deliveries calls yield for each delivery that f selects, until it returns an error. The state Pending
	// selects Held ones as well.
	Deliveries(ctx context.Context, f Filter, yield func(Delivery) error) error
	// Watches does the same for watches.
	Watches(ctx context.Context, f Filter, yield func(Watch) error) error
	// Redrive makes Dead and Silenced deliveries Pending and due now, keeping key and attempts;
	// Since and Spent are set, so that the retry policy counts anew, and Over is cleared.
	// It returns the ids that it found in no such state, with the state ("" if unknown).
	Redrive(ctx context.Context, ids []string, now time.Time) (refused map[string]DeliveryState, err error)
	// Counts returns how many watches and deliveries there are by state.
	Counts(ctx context.Context) (watches map[WatchState]int, deliveries map[DeliveryState]int, err error)
	// OldestDue returns the earliest NextAt of the deliveries that could be sent now, as Due has them in
	// all lanes; zero if there is none.
	OldestDue(ctx context.Context, now time.Time) (time.Time, error)
	// Purge removes at most limit watches that left Active before the one time, without pending or held
	// deliveries and without a note that is due some day, and as many deliveries settled before the other. Their ids stay known, so that nothing of
	// them happens again; but not those of deliveries whose WatchID no watch ever had. A watch's notes go
	// with it. It returns how many watches and deliveries went.
	Purge(ctx context.Context, watches, deliveries time.Time, limit int) (int, error)
}

// Store is all of it, as an engine gives it.
type Store interface {
	Registry
	Feed
	Notes
	Bundles
	Shards
	Outbox
	Names
	Ledger
	// Ping returns nil when the store can be read and written.
	Ping(ctx context.Context) error
	Close() error
}
