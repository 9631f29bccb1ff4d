package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		args []string
		code int
		want string // in either output
	}{
		"help":                   {[]string{"--help"}, 0, "redrive"},
		"no command":             {nil, 0, "Usage:"},
		"version":                {[]string{"--version"}, 0, "flyte-notifier version"},
		"unknown command":        {[]string{"serv"}, 2, `unknown command "serv"`},
		"unknown flag":           {[]string{"serve", "--conf", "x"}, 2, "unknown flag: --conf"},
		"no config":              {[]string{"serve"}, 2, `required flag(s) "config" not set`},
		"config that is not":     {[]string{"serve", "--config", w.dir + "/none"}, 2, "read config: open " + w.dir + "/none"},
		"config that is no YAML": {[]string{"serve", "--config", w.write("bad.yaml", "a: [")}, 2, "bad.yaml"},
		"bad log level":          {[]string{"serve", "--config", w.config, "--log-level", "loud"}, 2, "--log-level: "},
		"invalid config":         {[]string{"serve", "--config", w.write("invalid.yaml", "watch: {interval: 2}")}, 1, "watch.interval: "},
		"argument too many":      {[]string{"deliveries", "--config", w.config, "x"}, 2, "unknown command"},
		"unknown state":          {[]string{"deliveries", "--config", w.config, "--state", "lost"}, 2, `--state: unknown state "lost"`},
		"a watch's state":        {[]string{"watches", "--config", w.config, "--state", "dead"}, 2, `--state: unknown state "dead"`},
		"redrive of nothing":     {[]string{"redrive", "--config", w.config}, 2, "requires at least 1 arg"},
		"send through nothing":   {[]string{"send", "--config", w.config}, 2, `required flag(s) "connection" not set`},
		"validate nothing":       {[]string{"validate"}, 2, "accepts 1 arg(s)"},
		"validate what is not":   {[]string{"validate", w.dir + "/none"}, 2, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := command(t, tc.args...)
			require.Equal(t, tc.code, got.code, "%s%s", got.stdout, got.stderr)
			require.Contains(t, got.stdout+got.stderr, tc.want)
			if tc.code != 0 {
				require.True(t, strings.HasPrefix(got.stderr, "flyte-notifier: "), got.stderr)
				require.Empty(t, got.stdout)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		content string
		code    int
		stdout  []string // parts, in order
		stderr  string
	}{
		"config": {"admin: {endpoint: 'dns:///x:81'}", 0, []string{"is a valid server config"}, ""},
		"config without its secrets": {
			"admin: {endpoint: 'dns:///x:81'}\nconnections: {a: {slack: {token: {env: NOT_SET_HERE}}}}", 0, []string{"is a valid server config"}, "",
		},
		"bad config": {
			"admin: {endpoint: 'dns:///x:81'}\nwatch: {interval: 2}\ndefaults: {slack: gone}\nsubscriptions: {}\nservr: {}", 1,
			[]string{`defaults.slack: unknown connection "gone"`, "servr: unknown key", "subscriptions: must be a list, not a mapping", "watch.interval: "},
			"is not a valid server config: 4 problems",
		},
		"rules in vain": {
			"admin: {endpoint: 'dns:///x:81'}\nsubscriptions: [{name: x, rules: [{name: a, if: 'phse', when: {phase: [FAILED]}, send: [{stdout: }]}, {name: b, if: 'phase == \"DONE\"', when: {phase: [FAILED]}, send: [{stdout: }]}]}]", 1,
			[]string{"warning: subscriptions[0].rules[1].if: never holds: no phase is called \"DONE\"", "subscriptions[0].rules[0].if: unknown variable"},
			"1 problems",
		},
		"a task's rule in vain": {"rules: [{when: {queued_for: 1m}, send: [{stdout: }]}]", 0, []string{"warning: rules[0].when: never happens", "is a valid notification task"}, ""},
		"task":                  {"rules: [{when: {phase: [FAILED]}, send: [{slack: {channel: '#x'}}]}]", 0, []string{"is a valid notification task"}, ""},
		"bad task": {
			"wait: true\nrules: [{when: {phase: [FAILD]}, send: [{slack: {}}]}]", 1,
			[]string{"rules[0].send[0].slack.channel: ", "rules[0].when.phase[0]: unknown workflow phase"},
			"is not a valid notification task: ",
		},
		"send":     {"send: [{stdout: {}}]\nrequire: delivered", 0, []string{"is a valid notification_send task"}, ""},
		"bad send": {"send: [{stdout: {}}]\nrequire: read", 1, []string{"require: "}, "is not a valid notification_send task: 1 problems"},
		"not YAML": {"a: [", 1, nil, "is not a valid YAML file"},
		"a list":   {"- a", 1, []string{"must be a mapping"}, "is not a valid server config"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := command(t, "validate", w.write(strings.ReplaceAll(name, " ", "-")+".yaml", tc.content))
			require.Equal(t, tc.code, got.code, "%s%s", got.stdout, got.stderr)
			rest := got.stdout
			for _, part := range tc.stdout {
				_, after, found := strings.Cut(rest, part)
				require.True(t, found, "%q in %s", part, got.stdout)
				rest = after
			}
			require.Contains(t, got.stderr, tc.stderr)
		})
	}
}

func TestDeliveriesAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seed()
	got := w.on("deliveries", "--json")
	require.Equal(t, 0, got.code, got.stderr)
	all := lines(t, got.stdout)
	require.Len(t, all, 3)
	require.Equal(t, map[string]any{
		"id": "d0", "key": "key0", "state": "delivered", "rule": "failed", "reason": "phase:FAILED",
		"project": "ml", "domain": "production", "name": "f7k2", "notifier": "slack", "connection": "team-slack",
		"destination": "#ml-alerts", "attempts": 1.0, "last_error": "",
		"created_at": "2026-11-22T09:33:00Z", "delivered_at": "2026-11-22T09:33:02Z", "receipt": map[string]any{"channel": "C1", "ts": "1.2"},
	}, all[0])
	for _, line := range all {
		require.Len(t, line, len(all[0]), "the same fields in every state")
	}
	require.Equal(t, "slack: channel_not_found", all[1]["last_error"])
	require.Equal(t, "#other\x1b[31m\n<b>", all[1]["destination"])
	require.Nil(t, all[1]["delivered_at"])
	require.Equal(t, "pending", all[2]["state"])
	require.EqualValues(t, 0, all[2]["attempts"])

	dead := lines(t, w.on("deliveries", "--json", "--state", "dead").stdout)
	require.Len(t, dead, 1)
	require.Equal(t, "d1", dead[0]["id"])
	newest := lines(t, w.on("deliveries", "--json", "--limit", "1").stdout)
	require.Len(t, newest, 1)
	require.Equal(t, "d2", newest[0]["id"])
	require.Empty(t, w.on("deliveries", "--json", "--state", "silenced").stdout)
}

func TestTablesArePlainWhenPiped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seed()
	got := w.on("deliveries")
	require.Equal(t, 0, got.code, got.stderr)
	require.NotContains(t, got.stdout, "\x1b")
	rows := strings.Split(strings.TrimSpace(got.stdout), "\n")
	require.Len(t, rows, 4, "one line a row, whatever texts hold")
	require.Equal(t, []string{"ID", "STATE", "EXECUTION", "RULE", "TO", "ATTEMPTS", "CREATED", "LAST", "ERROR"}, strings.Fields(rows[0]))
	require.Equal(t, []string{"d0", "delivered", "ml/production/f7k2", "failed", "slack", "#ml-alerts", "1"}, strings.Fields(rows[1])[:7])
	require.Contains(t, rows[2], "slack: channel_not_found")
	for _, row := range rows {
		require.Equal(t, strings.Index(rows[0], "STATE"), strings.Index(row, strings.Fields(row)[1]), "columns are aligned")
	}

	got = w.on("watches")
	require.Equal(t, 0, got.code, got.stderr)
	rows = strings.Split(strings.TrimSpace(got.stdout), "\n")
	require.Len(t, rows, 2)
	require.Equal(t, []string{"w1", "ended", "ml/production/f7k2", "FAILED", "follow"}, strings.Fields(rows[1])[:5])
	require.Empty(t, lines(t, w.on("watches", "--json", "--state", "active").stdout))
	all := lines(t, w.on("watches", "--json", "--state", "ended").stdout)
	require.Len(t, all, 1)
	require.Equal(t, map[string]any{
		"id": "w1", "kind": "follow", "state": "ended", "project": "ml", "domain": "production", "name": "f7k2", "phase": "FAILED",
		"wait": false, "attempt": 0.0, "created_at": "2026-11-22T09:33:00Z", "ended_at": "2026-11-22T09:34:00Z",
	}, all[0])
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seed()
	got := w.on("redrive", "d1", "d0", "gone", "d2")
	require.Equal(t, 1, got.code)
	require.Equal(t, "d1 is pending again\n", got.stdout)
	require.Equal(t, "flyte-notifier: not redriven, only dead and silenced deliveries can be: d0 is delivered, d2 is pending, gone is unknown\n", got.stderr)
	again := lines(t, w.on("deliveries", "--json", "--state", "pending").stdout)
	require.Len(t, again, 2)
	require.Equal(t, "key1", again[0]["key"])
	require.EqualValues(t, 1, again[0]["attempts"], "it keeps its attempts")

	require.Equal(t, 1, w.on("redrive", "d1").code, "once only")
	require.Equal(t, 1, w.on("redrive", "unknown").code)
}

func TestSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.on("send", "--connection", "team-slack", "--to", `channel="#ml-alerts"`, "--title", "Hello <there>")
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "team-slack: credentials are accepted\nteam-slack: #ml-alerts is C000000001\ndelivered to #ml-alerts")
	require.Len(t, w.slack.Messages("ml-alerts"), 1)
	got = w.on("send", "--connection", "mail", "--to", "to=[ml@example.org]")
	require.Equal(t, 0, got.code, got.stderr)
	require.Len(t, w.mail.Mails(), 1)
	got = w.on("send", "--connection", "stdout")
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "If you can read this, the connection works.")

	for want, tc := range map[string]struct {
		code int
		args []string
	}{
		`unknown connection "gone"`:           {1, []string{"--connection", "gone"}},
		`did you mean "team-slack"?`:          {1, []string{"--connection", "team-slak"}},
		`--to "channel": must be key=value`:   {2, []string{"--connection", "team-slack", "--to", "channel"}},
		`--to "channel=[": `:                  {2, []string{"--connection", "team-slack", "--to", "channel=["}},
		"chanel: unknown key":                 {1, []string{"--connection", "team-slack", "--to", "chanel=x"}},
		"does not allow destination #other":   {1, []string{"--connection", "team-slack", "--to", `channel="#other"`}},
		"send through team-slack to #ml-none": {1, []string{"--connection", "team-slack", "--to", `channel="#ml-none"`}},
	} {
		got := w.on("send", tc.args...)
		require.Equal(t, tc.code, got.code, got.stderr)
		require.Contains(t, got.stderr, want)
	}

	w.slack.SetToken(slackToken, "chat:write", "channels:history")
	got = w.on("send", "--connection", "team-slack", "--to", `channel="#ml-alerts"`)
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "team-slack: without users:read, users:read.email: no direct messages (add the scope under OAuth & Permissions and reinstall the app)\n")
	require.Contains(t, got.stdout, "team-slack: without groups:history, im:history: a message with an unknown outcome is sent again, and may come twice (")
	require.Contains(t, got.stdout, "team-slack: #ml-alerts is used as it is written: the service does not tell its exact name\n")

	w.slack.SetToken(slackToken)
	got = w.on("send", "--connection", "team-slack", "--to", `channel="#ml-alerts"`)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "check team-slack: ")
	require.NotContains(t, got.stdout+got.stderr, slackToken)
	require.Len(t, w.slack.Messages(""), 2)
}

func TestDemo(t *testing.T) {
	t.Parallel()
	got := command(t, "demo")
	require.Equal(t, 0, got.code, got.stderr)
	for _, part := range []string{"SUCCEEDED", "FAILED", "ABORTED", "Slack  #ml-alerts", "E-mail  to ml@example.org", "done: 3 executions, 3 Slack messages, 3 mails"} {
		require.Contains(t, got.stdout, part)
	}
	require.NotContains(t, got.stdout, "\x1b", "plain when piped")
}
