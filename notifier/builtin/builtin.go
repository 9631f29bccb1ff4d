// Package builtin is the one place where notifiers are registered: a new one is its own folder
// and a line here.
package builtin

import (
	"io"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/pagerduty"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/notifier/teams"
	"github.com/flyte-notifier/flyte-notifier/notifier/telegram"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
)

// Registry returns the notifiers of this version. The one called stdout prints to w.
func Registry(w io.Writer) *notifier.Registry {
	return notifier.NewRegistry(
		slack.Manifest(),
		slack.WebhookManifest(),
		sendgrid.Manifest(),
		smtp.Manifest(),
		pagerduty.Manifest(),
		teams.Manifest(),
		telegram.Manifest(),
		webhook.Manifest(),
		stdout.Manifest(w),
	)
}
