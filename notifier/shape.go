package notifier

// Shaped is a Destination with a key that says what a message looks like, in the service's own form, beside those that
// say where it goes. What is wrong with a place makes a delivery dead; what is wrong with a shape must not lose the
// message. So a shape is judged and rendered apart.
type Shaped interface {
	Destination
	// ShapeKey is the key.
	ShapeKey() string
	// CheckShape returns what is wrong with the shape as a spec writes it, paths relative to the destination. Its texts
	// may be templates. Validate leaves the key alone.
	CheckShape() []Problem
	// Shape returns the key's value with its texts rendered. It always returns one that decodes: where a text fails,
	// or what comes of it is over the service's limits, the value says so in a way that Send knows, and Send
	// makes the message without it.
	Shape(value any, render RenderText) any
}

// RenderText renders one text. What a template puts into it goes through insert, which is told the end of what the text
// has become so far, at most 1 KiB; what the author wrote does not. Its error says what of the template failed.
type RenderText func(text string, insert func(before, value string) string) (string, error)
