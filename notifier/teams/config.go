package teams

import "github.com/flyte-notifier/flyte-notifier/notifier"

// Config is what the server's config says of a Teams connection, which is one workflow.
type Config struct {
	URL notifier.Secret `json:"url" required:"true" doc:"the workflow's webhook URL, whose signature makes it a secret: where it is kept, never the URL itself"`
}

// Destination is where the workflow posts, which the workflow alone says; it has no keys.
type Destination struct{}

// Address is "teams": a connection leads to one chat or channel.
func (*Destination) Address() string { return Kind }
