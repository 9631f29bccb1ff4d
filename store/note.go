package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// Note is what the executor keeps beside watches: what a watch's rules have come to, a launch plan's
// history, a subscription's birth and cursor, a silence, a thread.
type Note struct {
	Kind      string            // what it is: "progress", "series" ...
	Key       string            // unique within its kind
	WatchID   string            // goes when that watch is purged; empty: stays until it is removed. Its first write fixes it
	Execution flyte.ExecutionID // what it is about; zero: none
	Due       time.Time         // when it must be looked at; zero: never. Kept as given, whatever the engine's clock shows
	Body      json.RawMessage   // kept verbatim
	Version   int64             // raised by every write; 0: not there yet. Guards writes
	Removed   bool              // in a write: remove it (never set in what is read)
}

// Change is what a write records beside a watch: all of it or nothing. ErrConflict, so that nothing is
// written, comes of a note whose stored Version is another than the one given (0: none is stored), and of a
// release of a delivery that is not Held.
type Change struct {
	At         time.Time  // when: what is superseded is settled then, what is released is due
	Deliveries []Delivery // inserted unless their ID was ever there; their WatchID may be one that no watch has
	Notes      []Note     // of each kind and key one; those of a purged watch are not kept
	// Superseded are ids of deliveries. Held ones, and Pending ones that never were, become Superseded. But a Pending one
	// with an open attempt stays, and Why is kept as its Over, unless it has one: what becomes of it is the outbox's to
	// say when that attempt has ended. Others stay as they are.
	Superseded []string
	Why        string    // of Superseded, for people, and then their LastError; empty: ItNoLongerHolds, and that stays
	Released   []Release // Held deliveries that become Pending
	Remarks    []Remark  // on what was sent; of each delivery one, and of none that the change inserts
}

// ItNoLongerHolds is why a delivery is superseded where nothing else is said.
const ItNoLongerHolds = "it no longer holds"

// Release makes a Held delivery Pending.
type Release struct {
	ID      string
	Content json.RawMessage // what it shall hold from now on; nil: what it holds
}

// NoteThread is the kind of the notes of threads of messages about an execution. The outbox writes them, and when they
// are due at the earliest; the executor removes those that nobody needs any more.
const NoteThread = "thread"

var (
	errNoKey = errors.New("the kind or the key is empty")
	errTwice = errors.New("it is there twice")
)

// Check returns an error for a change that no store can write, whatever it holds.
func (c Change) Check() error {
	type key struct{ kind, key string }
	notes := make(map[key]bool, len(c.Notes))
	for _, n := range c.Notes {
		k := key{n.Kind, n.Key}
		switch {
		case n.Kind == "" || n.Key == "":
			return fmt.Errorf("write note %s %s: %w", n.Kind, n.Key, errNoKey)
		case notes[k]:
			return fmt.Errorf("write note %s %s: %w", n.Kind, n.Key, errTwice)
		}
		notes[k] = true
	}
	released := make(map[string]bool, len(c.Released))
	for _, r := range c.Released {
		if released[r.ID] {
			return fmt.Errorf("release delivery %s: %w", r.ID, errTwice)
		}
		released[r.ID] = true
	}
	remarked := make(map[string]bool, len(c.Remarks))
	for _, r := range c.Remarks {
		if remarked[r.ID] {
			return fmt.Errorf("remark on delivery %s: %w", r.ID, errTwice)
		}
		remarked[r.ID] = true
	}
	return nil
}
