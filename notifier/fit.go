package notifier

// A connection's config may know what neither it nor a destination can say alone. The interfaces here are optional ones
// of a manifest's *Config, found by type assertion. None of them reads a secret: they are asked where secrets are not.

// AllowJudge is a Config that judges what its connection allows.
type AllowJudge interface {
	// CheckAllow returns what does not go together, paths relative to the connection ("allow.destinations").
	CheckAllow(a Allow) []Problem
}

// DestinationJudge is a Config that judges which destinations go with it.
type DestinationJudge interface {
	// CheckDestination returns what of d does not fit the connection, paths relative to d ("url"). It is asked about
	// the literal spec, where strings may still be templates. Send refuses the same for good.
	CheckDestination(d Destination) []Problem
}

// DestinationFiller is a Config that has something to say for destinations which do not say it themselves.
type DestinationFiller interface {
	// DestinationKeys are keys of a destination with their values, as a spec would write them: texts are templates.
	// A spec's own keys go before them.
	DestinationKeys() map[string]any
}

// DestinationPreviewer is a Config on which it depends how a destination's message looks. It takes the place of the
// destination's own Previewer.
type DestinationPreviewer interface {
	// PreviewFor returns what Send would make of m for d, its templates already rendered.
	PreviewFor(d Destination, m Message) (Preview, error)
}

// Rated is a Config on which the service's own limit depends.
type Rated interface {
	// OwnRate takes the place of Manifest.Rate.
	OwnRate() Rate
}

// Repeatable is a Config on which it depends whether a message may be sent again.
type Repeatable interface {
	// Idempotent takes the place of Manifest.Idempotent.
	Idempotent() bool
}

// Idempotent says whether a message sent again through the connection arrives once, or can be told as the same:
// Manifest.Idempotent of its kind, unless its config knows better.
func (c *Connection) Idempotent(m Manifest) bool {
	if own, ok := c.Config.(Repeatable); ok {
		return own.Idempotent()
	}
	return m.Idempotent
}
