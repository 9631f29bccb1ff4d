// Package builtin is the one place where notifiers are registered: a new one is its own folder
// and a line here.
package builtin

import (
	"io"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
)

// Registry returns the notifiers of this version. The one called stdout prints to w.
func Registry(w io.Writer) *notifier.Registry {
	return notifier.NewRegistry(
		slack.Manifest(),
		sendgrid.Manifest(),
		smtp.Manifest(),
		stdout.Manifest(w),
	).Reserve("webhook", "teams", "pagerduty", "telegram", "discord", "mattermost", "ntfy")
}
