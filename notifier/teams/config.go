package teams

import "github.com/flyte-notifier/flyte-notifier/notifier"

// Config is what the server's config says of a Teams connection, which is one workflow.
type Config struct {
	URL notifier.Secret `json:"url" required:"true" doc:"the workflow's webhook URL, whose signature makes it a secret: where it is kept, never the URL itself"`
}

// Destination is where the workflow posts, which the workflow alone says; it has no keys.
type Destination struct{}

// Validate finds nothing wrong.
func (*Destination) Validate() []notifier.Problem { return nil }

// Address is "teams": a connection leads to one chat or channel.
func (*Destination) Address() string { return Kind }

// Addresses is Address, the only place there is.
func (*Destination) Addresses() []string { return []string{Kind} }

// WithID returns d itself.
func (d *Destination) WithID(string) notifier.Destination { return d }
