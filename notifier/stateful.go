package notifier

// Stateful is a Destination whose every message says how one thing stands: that an incident is open, say, or over.
// So each is told by itself, never in one with others. And one that would undo what was told later, of the same thing,
// is not sent any more: what opens an incident, tried again once that was resolved, would leave it open for good.
type Stateful interface {
	Destination
	// State is what m is about, of all that the destination is told of, and how that stands. Both are only compared.
	State(m Message) (thing, state string)
}
