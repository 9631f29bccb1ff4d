package preview_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/preview"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func read(t *testing.T, content string) *preview.File {
	t.Helper()
	f, err := preview.Read([]byte(content), nil, builtin.Registry(io.Discard))
	require.NoError(t, err)
	return f
}

func task(when string) string { return "rules: [{name: r, when: " + when + ", send: [{stdout: {}}]}]" }

func subscribed(when string) string {
	return "admin: {endpoint: 'dns:///x:81'}\nsubscriptions: [{name: s, match: {project: 'ml-*', trigger: schedule}, rules: [{name: r, when: " + when + ", send: [{stdout: {}}]}]}]"
}

func of(t *testing.T, f *preview.File, phase string) []preview.Told {
	t.Helper()
	rules, err := f.Select("", phase)
	require.NoError(t, err)
	maker := preview.Maker{Registry: builtin.Registry(io.Discard), Config: f.Config}
	var all []preview.Told
	for _, r := range rules {
		told, err := maker.Make(r, preview.Sample(r, phase, now))
		require.NoError(t, err)
		all = append(all, told...)
	}
	return all
}

// A sample is one of which the rule tells, whatever its condition is.
func TestASampleMakesItsRuleFire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, phase, reason, title string }{
		"phase":          {task("{phase: [FAILED, SUCCEEDED]}"), "", "phase:FAILED", "churn.workflows.train FAILED"},
		"other phase":    {task("{phase: [FAILED, SUCCEEDED]}"), "SUCCEEDED", "phase:SUCCEEDED", "churn.workflows.train SUCCEEDED"},
		"node's phase":   {"watch: {node: n3}\n" + task("{phase: [SKIPPED]}"), "", "phase:SKIPPED", "churn.workflows.train node n3 SKIPPED"},
		"running_for":    {task("{running_for: 2h}"), "", "running_for:2h0m0s", "churn.workflows.train has been running for 2h"},
		"queued_for":     {task("{queued_for: 90s}"), "", "queued_for:1m30s", "churn.workflows.train has been queued for 1m30s"},
		"deadline in":    {task("{deadline: {in: 6h}}"), "", "deadline:6h0m0s", "churn.workflows.train missed its deadline: 6h after its start"},
		"deadline at":    {task("{deadline: {at: '2030-01-02T03:04:05Z'}}"), "", "deadline:2030-01-02T03:04:05Z", "churn.workflows.train missed its deadline: 2030-01-02T03:04:05Z"},
		"deadline daily": {task("{deadline: {daily: '18:00 Europe/Paris'}}"), "", "deadline:18:00 Europe/Paris", "churn.workflows.train missed its deadline: 18:00 Europe/Paris"},
		"gate":           {task("{gate: waiting}"), "", "gate:approve-release", "churn.workflows.train waits for approval: approve-release"},
		"node":           {task("{node: {id: n0-0-n1, phase: [TIMED_OUT]}}"), "", "node:n0-0-n1:TIMED_OUT", "churn.workflows.train node n0-0-n1 TIMED_OUT"},
		"before_timeout": {task("{before_timeout: 10m}"), "", "before_timeout:n1", "churn.workflows.train node n1 is about to time out"},
		"node's timeout": {"watch: {node: n3}\n" + task("{before_timeout: 10m}"), "", "before_timeout:n3", "churn.workflows.train node n3 is about to time out"},
		"first_failure":  {subscribed("{first_failure: true}"), "", "first_failure", ""},
		"recovered":      {subscribed("{recovered: true}"), "", "recovered", ""},
		"no_success_for": {subscribed("{no_success_for: 26h}"), "", "no_success_for:26h0m0s", ""},
		"failure_rate":   {subscribed("{failure_rate: {of: 20, at_least: 5}}"), "", "failure_rate:5/20", ""},
		"send":           {"send: [{stdout: {}}]\nmessage: {title: '{{.Workflow}} is half done'}", "", "send", "churn.workflows.train is half done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := of(t, read(t, tc.file), tc.phase)
			require.Len(t, all, 1)
			require.Equal(t, tc.reason, all[0].Occurrence.Reason)
			if tc.title != "" {
				require.Equal(t, tc.title, all[0].Message.Title)
			}
			require.Empty(t, all[0].Notes(), "it fires")
			require.False(t, all[0].Failed())
		})
	}
}

func TestASampleIsOneThatTheSubscriptionSelects(t *testing.T) {
	t.Parallel()
	f := read(t, `
admin: {endpoint: 'dns:///x:81'}
connections: {team: {slack: {token: {env: A}}}, mail: {sendgrid: {api_key: {env: B}, from: flyte@example.org}}}
defaults: {slack: team, sendgrid: mail}
subscriptions:
  - name: s
    match: {project: "ml-*", domain: development, workflow: "*.train", launch_plan: "nightly-?", user: bob, labels: {tier: "g*", area: x}}
    rules: [{name: r, when: {phase: [FAILED]}, if: 'labels["tier"] == "gold" && labels.stage == "two"', send: [{slack: {channel: "#{{.Labels.area}}"}}, {sendgrid: {to: ["{{.Labels.owner}}"]}}]}]
`)
	rules, err := f.Select("s/r", "")
	require.NoError(t, err)
	x := preview.Sample(rules[0], "", now).Facts.Execution
	require.Equal(t, "ml-example/development/f8d3a1", x.ID.String())
	require.Equal(t, []string{"churn.workflows.train", "nightly-x", "bob"}, []string{x.Workflow, x.LaunchPlan, x.User})
	require.Equal(t, map[string]string{"team": "ml", "tier": "gold", "area": "x", "owner": "ada@example.org", "stage": "two"}, x.Labels)
}

func TestWhereItGoes(t *testing.T) {
	t.Parallel()
	f := read(t, `
admin: {endpoint: 'dns:///x:81'}
connections:
  team: {slack: {token: {env: NOT_SET_HERE}}, allow: {destinations: ["#ml-*"]}}
  far: {slack: {token: {env: NOT_SET_HERE}}, allow: {scopes: ["other/*"]}}
defaults: {slack: team}
`)
	f.Rules = read(t, `
rules:
  - name: r
    when: {phase: [FAILED]}
    send:
      - slack: {channel: "#ml-{{.Domain}}"}
      - slack: {channel: "#other"}
      - slack: {channel: "#x", connection: far}
      - slack: {channel: "#x", connection: gone}
      - slack: {email: "{{.Labels.nobody}}"}
      - sendgrid: {to: [ml@example.org], subject: "{{.Phase}}!"}
      - stdout: {}
`).Rules
	all := of(t, f, "")[0].To
	require.Equal(t, "#ml-production", all[0].Address)
	require.Equal(t, "team", all[0].Connection)
	errs := make([]string, len(all))
	for i, d := range all {
		errs[i] = d.Error
	}
	require.Equal(t, []string{
		"", "the connection does not allow destination #other", "the connection does not allow scope flytesnacks/production",
		`unknown connection "gone"`, errs[4], "the server has no default connection for sendgrid", "",
	}, errs)
	require.Contains(t, errs[4], "email: ")
	require.Equal(t, "FAILED!", all[5].Subject)
	require.Contains(t, all[5].Text, "Sent by flyte-notifier")
	var payload struct {
		Text     string
		Blocks   []map[string]any
		Metadata struct {
			Type string `json:"event_type"`
		}
	}
	require.NoError(t, json.Unmarshal(all[0].Payload, &payload))
	require.NotEmpty(t, payload.Blocks)
	require.Equal(t, "header", payload.Blocks[0]["type"])
	require.Contains(t, payload.Text, "FAILED")
	require.Equal(t, "flyte_notifier", payload.Metadata.Type)
}

// A config is read as a server reads it: with what the environment overrides, and what its connections allow.
func TestSubscriptionsOfAConfigAreThoseOfTheServer(t *testing.T) {
	t.Parallel()
	const content = `
admin: {endpoint: 'dns:///x:81'}
connections:
  team: {slack: {token: {env: NOT_SET_HERE}}, allow: {destinations: ["#ml"]}}
  night: {slack: {token: {env: NOT_SET_HERE}}}
defaults: {slack: team}
subscriptions: [{name: s, rules: [{name: r, when: {phase: [FAILED]}, send: [{slack: {channel: "#ml"}}]}]}]
`
	registry := builtin.Registry(io.Discard)
	f, err := preview.Read([]byte(content), []string{"FLYTE_NOTIFIER__DEFAULTS__SLACK=night"}, registry)
	require.NoError(t, err)
	require.Equal(t, "night", of(t, f, "")[0].To[0].Connection)

	f, err = preview.Read([]byte(content), []string{"FLYTE_NOTIFIER__SUBSCRIPTIONS=[{name: other, rules: [{name: x, when: {phase: [ABORTED]}, send: [{slack: {channel: '#ml'}}]}]}]"}, registry)
	require.NoError(t, err)
	told := of(t, f, "")[0]
	require.Equal(t, "other/x", told.Rule.FullName())
	require.Equal(t, "team", told.Rule.Rule.Send[0].Connection, "it is that of the step, not of the preview alone")

	_, err = preview.Read([]byte(content), []string{"FLYTE_NOTIFIER__DEFAULTS={}"}, registry)
	require.ErrorContains(t, err, "subscriptions[0].rules[0].send[0].slack.connection: required: the server has no default connection for slack")
	_, err = preview.Read([]byte(strings.Replace(content, `channel: "#ml"`, `channel: "#sales"`, 1)), nil, registry)
	require.ErrorContains(t, err, "slack.channel: the connection does not allow destination #sales")
}

// How a webhook's message looks depends on the connection, whose secrets are not read.
func TestAConnectionSaysHowItLooks(t *testing.T) {
	t.Parallel()
	f := read(t, `
admin: {endpoint: 'dns:///x:81'}
connections:
  chat: {webhook: {url: {env: NOT_SET_HERE}, format: discord}}
  own: {webhook: {url: {env: NOT_SET_HERE}, format: template, body: '{"phase": "{{.Phase}}"}'}}
  any: {webhook: {}}
subscriptions:
  - name: s
    rules:
      - name: r
        when: {phase: [FAILED]}
        send:
          - webhook: {connection: chat}
          - webhook: {connection: own}
          - webhook: {connection: any, url: "{{.ConsoleURL}}"}
          - webhook: {connection: any, url: "{{.Labels.absent}}"}
`)
	all := of(t, f, "")[0].To
	require.Contains(t, string(all[0].Payload), `"allowed_mentions":{"parse":[]}`)
	require.JSONEq(t, `{"phase": "FAILED"}`, string(all[1].Payload))
	require.Contains(t, string(all[2].Payload), `"reason":"phase:FAILED"`)
	require.Contains(t, all[2].Address, "flyte.example.org ")
	require.Empty(t, all[0].Error+all[1].Error+all[2].Error)
	require.Contains(t, all[3].Error, "url: required: the connection has none")
}

func TestATemplateThatFailsShowsWhatWouldBeSent(t *testing.T) {
	t.Parallel()
	all := of(t, read(t, "rules: [{when: {phase: [FAILED]}, send: [{stdout: {}}], message: {title: own, body: '{{index .Inputs.x 99}}'}}]"), "")
	require.True(t, all[0].Failed())
	require.Equal(t, "churn.workflows.train FAILED", all[0].Message.Title)
	var out bytes.Buffer
	preview.Print(&out, all)
	require.Contains(t, out.String(), "its template fails")
	require.Contains(t, out.String(), "note: This is the default message")
}

func TestEscalationsAndReminders(t *testing.T) {
	t.Parallel()
	f := read(t, "rules: [{name: r, when: {gate: waiting}, send: [{stdout: {}}], repeat: {every: 1h}, escalate: [{after: 30m, send: [{slack: {channel: '#lead'}}]}]}]")
	all := of(t, f, "")
	require.Len(t, all, 2)
	require.Equal(t, "Escalation: churn.workflows.train waits for approval: approve-release", all[1].Message.Title)
	require.Equal(t, 30*time.Minute, all[1].After)
	rules, err := f.Select("r", "")
	require.NoError(t, err)
	told, err := preview.Maker{Registry: builtin.Registry(io.Discard), Count: 3}.Make(rules[0], preview.Sample(rules[0], "", now))
	require.NoError(t, err)
	require.Len(t, told, 1)
	require.Equal(t, "Reminder 3: churn.workflows.train waits for approval: approve-release", told[0].Message.Title)
}

func TestARealExecution(t *testing.T) {
	t.Parallel()
	f := read(t, "rules: [{name: r, when: {running_for: 2h}, if: 'user == \"ada\"', send: [{stdout: {}}]}]")
	rules, err := f.Select("", "")
	require.NoError(t, err)
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "f7k2"}
	facts := executor.Facts{Execution: flyte.Execution{ID: id, Phase: "RUNNING", Workflow: "real", User: "ada", StartedAt: now.Add(-3 * time.Hour)}}
	for name, tc := range map[string]struct {
		change func(*flyte.Execution)
		note   string
	}{
		"fires":     {func(*flyte.Execution) {}, ""},
		"if":        {func(x *flyte.Execution) { x.User = "bob" }, `it would not fire: if is false: user == "ada"`},
		"condition": {func(x *flyte.Execution) { x.StartedAt = now.Add(-time.Hour) }, "it does not fire for this execution now"},
		"ended":     {func(x *flyte.Execution) { x.Phase = "SUCCEEDED" }, "it does not fire for this execution now"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := facts
			tc.change(&f.Execution)
			told, err := preview.Maker{Registry: builtin.Registry(io.Discard)}.Make(rules[0], preview.Real(rules[0], f, "", now))
			require.NoError(t, err)
			require.Equal(t, "real has been running for 2h", told[0].Message.Title)
			if tc.note == "" {
				require.Empty(t, told[0].Notes())
				return
			}
			require.Contains(t, strings.Join(told[0].Notes(), "\n"), tc.note)
		})
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	f := read(t, "rules: [{name: a, when: {phase: [FAILED]}, send: [{stdout: {}}]}, {name: b, when: {gate: waiting}, send: [{stdout: {}}]}]")
	for want, args := range map[string][2]string{
		`unknown rule "c"; there are: a, b`:                {"c", ""},
		`unknown rule "A", did you mean "a"?`:              {"A", ""},
		`no rule tells of phase "ABORTED", but of: FAILED`: {"", "ABORTED"},
		`no rule tells of a phase`:                         {"b", "FAILED"},
	} {
		_, err := f.Select(args[0], args[1])
		require.ErrorContains(t, err, want)
	}
	_, err := read(t, "admin: {endpoint: 'dns:///x:81'}").Select("", "")
	require.ErrorContains(t, err, "the file has no rules")
}

func TestFilesThatAreWrong(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"a: [":                          "problems:",
		"rules: [{when: {}, send: []}]": "rules[0].when: ",
		"send: []":                      "send: ",
		"subscriptions: [{name: x}]":    "subscriptions[0].rules: required",
		"watch: {interval: 2}":          "watch.interval: ",
	} {
		_, err := preview.Read([]byte(content), nil, builtin.Registry(io.Discard))
		var problems *preview.ProblemsError
		require.ErrorAs(t, err, &problems, content)
		require.ErrorContains(t, err, want)
	}
	f := read(t, subscribed("{phase: [FAILED]}, if: 'phaze == \"x\"'"))
	require.Empty(t, f.Rules)
	require.Len(t, f.Broken, 1)
}

// All that can be broken is, and nothing is lost by it.
func TestLinesFitATerminal(t *testing.T) {
	t.Parallel()
	words := strings.Repeat("some words of a message that goes on and on, ", 20)
	f := read(t, "rules: [{name: r, when: {phase: [FAILED]}, send: [{stdout: {}}], message: {title: x, body: '"+words+"\n\n    indented "+words+"\n\n"+strings.Repeat("y", 200)+" z'}}]")
	var out bytes.Buffer
	preview.Print(&out, of(t, f, ""))
	for line := range strings.Lines(out.String()) {
		if !strings.Contains(line, "https://") && !strings.Contains(line, "yyy") {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 80, line)
		}
		require.Equal(t, strings.TrimRight(line, " \n")+"\n", line)
	}
	require.Equal(t, 40, strings.Count(strings.Join(strings.Fields(out.String()), " "), "some words of a message that goes on and on,"))
	require.Contains(t, out.String(), strings.Repeat("y", 200))
}

// What a template puts into blocks of one's own is escaped, and what its author wrote is not.
func TestBlocksOfOnesOwnAreShown(t *testing.T) {
	t.Parallel()
	f := read(t, `
rules:
  - name: r
    when: {phase: [FAILED]}
    send:
      - slack: {channel: "#a", blocks: [{type: section, text: {type: mrkdwn, text: "<!here> {{printf \"<!channel> %s\" .Phase}} <{{.Phase}}>"}}]}
      - slack: {channel: "#a", blocks: [{type: divider}, {type: section, text: {type: mrkdwn, text: "{{index .Inputs.none 7}}"}}]}
`)
	all := of(t, f, "")[0].To
	require.Contains(t, string(all[0].Payload), `\u003c!here\u003e \u0026lt;!channel\u0026gt; FAILED \u003c\u003e`)
	require.Empty(t, all[1].Error)
	require.Contains(t, string(all[1].Payload), "own blocks failed: blocks[1].text.text: line 1")
}
