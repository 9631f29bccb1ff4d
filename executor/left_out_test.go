package executor_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/pagerduty"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestATemplateOfTheDestinationCostsNoMessage as long as there is a place left to send it to. The message says what is not there,
// unless that rendered to nothing: labels are such.
func TestATemplateOfTheDestinationCostsNoMessage(t *testing.T) {
	for name, c := range map[string]struct{ kind, destination, want, leftOut, dead string }{
		"an incident's component": {"pagerduty", `{"severity": "error", "component": "{{index .Inputs.rows 5}}"}`, `{"severity":"error"}`, "component: line 1:", ""},
		"an incident's key":       {"pagerduty", `{"dedup_key": "{{.Inputs.cfg.a.b}}"}`, `{}`, "dedup_key: line 1:", ""},
		"a subject":               {"smtp", `{"to": ["ml@example.org"], "subject": "{{.Inputs.cfg.a.b}}"}`, `{"to":["ml@example.org"]}`, "subject: line 1:", ""},
		"a category":              {"sendgrid", `{"to": ["ml@example.org"], "categories": ["a", "{{.Inputs.cfg.a.b}}"]}`, `{"categories":["a"],"to":["ml@example.org"]}`, "categories[1]: line 1:", ""},
		"a copy to nobody":        {"sendgrid", `{"to": ["ml@example.org"], "cc": ["{{.Labels.owner}}"]}`, `{"cc":[],"to":["ml@example.org"]}`, "", ""},
		"one of two is nobody":    {"smtp", `{"to": ["{{.Labels.owner}}", "ml@example.org"]}`, `{"to":["ml@example.org"]}`, "", ""},
		"answers to no address":   {"smtp", `{"to": ["ml@example.org"], "reply_to": "{{.User}}"}`, `{"to":["ml@example.org"]}`, "reply_to: must be a mail address", ""},
		"nobody at all":           {"smtp", `{"to": ["{{.Labels.owner}}"]}`, "", "", "read destination of smtp: to: required"},
		"no address at all":       {"smtp", `{"to": ["{{.User}}"]}`, "", "", "read destination of smtp: to: required, without to[0]: must be a mail address"},
		"no channel":              {"slack", `{"channel": "{{.Inputs.cfg.a.b}}"}`, "", "", ", without channel: line 1:"},
		"no URL":                  {"webhook", `{"url": "{{.User}}"}`, `{}`, "url: must be an http or https URL", ""}, // its connection has none: dead as it is sent
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(b *bench) {
				b.stop()
				b.exec, b.stop = b.execute(func(o *executor.Options) {
					o.Registry = notifier.NewRegistry(pagerduty.Manifest(), smtp.Manifest(), sendgrid.Manifest(), slack.Manifest(), webhook.Manifest())
				})
				rule := onPhases("failed", "FAILED")
				rule.Send = []spec.Step{{Kind: c.kind, Connection: "team", Destination: json.RawMessage(c.destination)}}
				b.admin.set("f1", "RUNNING", func(x *flyte.Execution) { x.User = "ada" })
				w := b.register("f1", []spec.Rule{rule})
				b.rounds(2)
				b.admin.set("f1", "FAILED")
				b.rounds(2)
				all, err := b.store.WatchDeliveries(b.t.Context(), w.ID)
				require.NoError(b.t, err)
				require.Len(b.t, all, 1)
				d := all[0]
				if c.dead != "" {
					require.Equal(b.t, store.Dead, d.State)
					require.Contains(b.t, d.LastError, c.dead)
					require.Empty(b.t, d.Destination, "templates are no destination, should it be redriven")
					return
				}
				require.Equal(b.t, store.Pending, d.State, d.LastError)
				require.JSONEq(b.t, c.want, string(d.Destination))
				content, err := render.Unmarshal(d.Content)
				require.NoError(b.t, err)
				m, err := render.Message(content, d.ID)
				if c.leftOut == "" {
					require.NoError(b.t, err)
					require.Empty(b.t, m.Notes)
					return
				}
				require.ErrorContains(b.t, err, c.leftOut)
				require.Len(b.t, m.Notes, 1)
				require.Contains(b.t, m.Notes[0], "could not be used, and was left out: "+c.leftOut)
			})
		})
	}
}
