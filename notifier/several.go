package notifier

import "time"

// Gatherer is a Destination with keys that suit one message only: an e-mail's subject, say, which may be a template.
type Gatherer interface {
	Destination
	// Gathered returns a copy without those keys, for a message that tells of several things at once. Destinations
	// whose copies are written as the same JSON lead to the same place in the same way: what goes there may
	// be told in one message.
	Gathered() Destination
}

// Gathered is the destination of a message that tells of several things at once.
func Gathered(d Destination) Destination {
	if g, ok := d.(Gatherer); ok {
		return g.Gathered()
	}
	return d
}

// Item is one of several things that a message tells of.
type Item struct {
	Time time.Time // when it happened
	Text string    // one line
	URL  string    // where to look further; may be empty
}
