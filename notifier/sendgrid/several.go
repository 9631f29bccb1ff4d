package sendgrid

import "github.com/flyte-notifier/flyte-notifier/notifier"

// Gathered returns a copy without the subject, which is that of one message: the title takes its place.
func (d *Destination) Gathered() notifier.Destination {
	all := *d
	all.Subject = ""
	return &all
}

var _ notifier.Gatherer = (*Destination)(nil)
