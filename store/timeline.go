package store

import (
	"cmp"
	"fmt"
	"time"
)

// Kinds of the events that engines append by themselves, because the write they tell of carries
// none: every other event comes with a Transition or an Outcome.
const (
	EventRegistered = "registered" // a watch was stored, or reopened by a later attempt
	EventCancelled  = "cancelled"  // its task was aborted
	EventUnknown    = "unknown"    // an attempt was cut short, see Recover
	EventRedriven   = "redriven"   // a delivery is to be sent again
	EventSuperseded = "superseded" // a delivery is not to be sent any more
	EventReleased   = "released"   // a delivery that was held is to be sent
)

// Registered is the event of a watch that Register stored or reopened.
func Registered(w Watch) Event {
	return Event{At: w.CreatedAt, Kind: EventRegistered, Text: fmt.Sprintf("attempt %d", w.Attempt)}
}

// CancelledEvent is the event of a watch that Cancel ended.
func CancelledEvent(reason string, now time.Time) Event {
	return Event{At: now, Kind: EventCancelled, Text: reason}
}

// UnknownEvent is the event of a delivery whose open attempt Recover found.
func UnknownEvent(d Delivery, now time.Time) Event {
	text := fmt.Sprintf("%s %s: attempt %d was cut short, it may or may not have arrived", d.Kind, d.Address, d.Attempts)
	return Event{At: now, Kind: EventUnknown, Text: text}
}

// RedrivenEvent is the event of a delivery that Redrive made Pending.
func RedrivenEvent(d Delivery, now time.Time) Event {
	text := fmt.Sprintf("%s %s: to be sent again, was %s", d.Kind, d.Address, d.State)
	return Event{At: now, Kind: EventRedriven, Text: text}
}

// SupersededEvent is the event of a delivery that a Change superseded; why is the change's.
func SupersededEvent(kind, address, why string, now time.Time) Event {
	return Event{At: now, Kind: EventSuperseded, Text: fmt.Sprintf("%s %s: not sent, %s", kind, address, cmp.Or(why, ItNoLongerHolds))}
}

// ReleasedEvent is the event of a held delivery that a Change released.
func ReleasedEvent(kind, address string, now time.Time) Event {
	return Event{At: now, Kind: EventReleased, Text: fmt.Sprintf("%s %s: held until now", kind, address)}
}
