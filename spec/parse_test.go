package spec_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

const full = `
watch:
  execution: {project: p, domain: production, name: f1}
  node: n0-0-n1
wait: true
rules:
  - name: failed
    when: {phase: [FAILED, TIMED_OUT, SKIPPED]}
    if: 'elapsed > duration("10m") && labels["team"] == "ml"'
    send:
      - slack: {connection: narrow, channel: "#ml-alerts"}
      - sendgrid: {to: [ml@example.org], subject: "{{.Workflow}} {{.Phase}}"}
      - stdout:
    message: {title: "{{.Workflow}} {{.Phase}}", body: "{{.Error}}"}
  - when: {phase: [FAILED, ABORTED]}
    send: [{slack: {email: "{{.User}}"}}]
`

func TestParseTaskReadsTheWholeSpec(t *testing.T) {
	t.Parallel()
	task, problems := spec.ParseTask(tree(t, full), server())
	require.Empty(t, problems)
	require.Equal(t, `elapsed > duration("10m") && labels["team"] == "ml"`, task.Rules[0].If.String())
	require.Nil(t, task.Rules[1].If)
	task.Rules[0].If = nil
	want := &spec.Task{
		Target: spec.Target{
			Execution: spec.Execution{Org: "o", Project: "p", Domain: "production", Name: "f1"}, Node: "n0-0-n1",
		},
		Wait: true,
		Rules: []spec.Rule{
			{
				Name: "failed", When: spec.When{Phases: []string{"FAILED", "TIMED_OUT", "SKIPPED"}},
				Send: []spec.Step{
					{Kind: "slack", Connection: "narrow", Destination: json.RawMessage(`{"channel":"#ml-alerts"}`), Path: "rules[0].send[0].slack"},
					{
						Kind: "sendgrid", Connection: "mail", Path: "rules[0].send[1].sendgrid",
						Destination: json.RawMessage(`{"subject":"{{.Workflow}} {{.Phase}}","to":["ml@example.org"]}`),
					},
					{Kind: "stdout", Destination: json.RawMessage(`{}`), Path: "rules[0].send[2].stdout"},
				},
				Message: render.Template{Title: "{{.Workflow}} {{.Phase}}", Body: "{{.Error}}"},
			},
			{
				Name: "phase-failed-aborted", When: spec.When{Phases: []string{"FAILED", "ABORTED"}},
				Send: []spec.Step{{Kind: "slack", Connection: "team", Destination: json.RawMessage(`{"email":"{{.User}}"}`), Path: "rules[1].send[0].slack"}},
			},
		},
	}
	require.Empty(t, cmp.Diff(want, task, cmpopts.IgnoreUnexported(spec.Task{})))
}

func TestTaskIsReadBackAsItWasStored(t *testing.T) {
	t.Parallel()
	task, problems := spec.ParseTask(tree(t, full), server())
	require.Empty(t, problems)
	stored, err := json.Marshal(task)
	require.NoError(t, err)
	var back spec.Task
	require.NoError(t, json.Unmarshal(stored, &back))
	again, err := json.Marshal(back)
	require.NoError(t, err)
	require.JSONEq(t, string(stored), string(again))
	holds, err := back.Rules[0].If.Eval(spec.Facts{Elapsed: 1 << 50, Labels: map[string]string{"team": "ml"}})
	require.NoError(t, err)
	require.True(t, holds)
	require.Zero(t, back.Target, "the watch holds it")

	elsewhere := server()
	elsewhere.Caller.Name = "another"
	other, problems := spec.ParseTask(tree(t, full), elsewhere)
	require.Empty(t, problems)
	same, err := json.Marshal(other)
	require.NoError(t, err)
	require.Equal(t, string(stored), string(same), "each execution of a workflow stores the same document")
}

func TestParseTaskTellsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, problems := spec.ParseTask(tree(t, `
watch: {execution: {projct: x, name: "f1);f2"}, node: "n 1"}
wait: maybe
rules:
  - name: one
    when: {phase: [failed, DONE], running_for: 2h}
    if: phse == "FAILED"
    send:
      - slack: {conection: team, channel: "{{.Channel}}", thread: execution}
      - sendgrid: {connection: nowhere, to: ml@example.org}
      - webhook: {connection: ops}
      - slak: {}
      - {}
    message: {title: "{{.Workflow", text: x}
    repeat: {every: 1h, max: 5}
    fallback: []
  - name: one
    wen: {phase: [FAILED]}
    send: []
  - none
watches: []
`), server())
	require.Equal(t, []string{
		`rules[0].fallback: must have at least 1 entry, not 0`,
		`rules[0].if: unknown variable "phse", did you mean "phase"? (line 1, column 1)`,
		`rules[0].message.text: unknown key`,
		`rules[0].message.title: line 1: unclosed action`,
		`rules[0].send[0].slack.channel: line 1:2: unknown variable .Channel`,
		`rules[0].send[0].slack.conection: unknown key, did you mean "connection"?`,
		`rules[0].send[0].slack.thread: not supported by this version`,
		`rules[0].send[1].sendgrid.connection: unknown connection "nowhere"`,
		`rules[0].send[1].sendgrid.to: must be a list, not a string`,
		`rules[0].send[2].webhook: is no notifier: use stdout, for example`,
		`rules[0].send[3].slak: unknown notifier, did you mean "slack"?`,
		`rules[0].send[4]: must name a notifier: slack, sendgrid, stdout`,
		`rules[0].when: must have exactly one key, not 2: phase, running_for`,
		`rules[0].when.phase[0]: unknown node phase "failed", did you mean "FAILED"?`,
		`rules[0].when.phase[1]: unknown node phase "DONE", must be one of UNDEFINED, QUEUED, RUNNING, SUCCEEDED, FAILING, FAILED, ABORTED, SKIPPED, TIMED_OUT, DYNAMIC_RUNNING, RECOVERED`,
		`rules[1].name: "one" is the name of rules[0] already`,
		`rules[1].send: must have at least 1 entry, not 0`,
		`rules[1].wen: unknown key, did you mean "when"?`,
		`rules[1].when: required`,
		`rules[2]: must be a mapping, not a string`,
		`wait: must be true or false, not a string`,
		`watch.execution.name: must consist of letters, digits, '-', '_' and '.', not "f1);f2"`,
		`watch.execution.projct: unknown key, did you mean "project"?`,
		`watch.node: must consist of letters, digits, '-', '_' and '.', not "n 1"`,
		`watches: unknown key, did you mean "watch"?`,
	}, texts(problems))
}

// refusal is a task with its problems.
type refusal struct {
	name, doc string
	want      []string
}

func refuses(t *testing.T, all []refusal) {
	t.Helper()
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			task, problems := spec.ParseTask(tree(t, tt.doc), server())
			require.Equal(t, tt.want, texts(problems))
			require.Nil(t, task)
		})
	}
}

func TestParseTaskRefuses(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"nothing", "", []string{"must be a mapping, not null"}},
		{"no rules", "{}", []string{"rules: required"}},
		{"rules of null", "rules:", []string{"rules: required"}},
		{"an empty list of rules", "rules: []", []string{"rules: must have at least 1 entry, not 0"}},
		{"too many rules", "rules: [" + strings.Repeat("{},", 101) + "]", []string{"rules: must have at most 100 entries, not 101"}},
		{"an empty rule", "rules: [{}]", []string{"rules[0].send: required", "rules[0].when: required"}},
		{"too many sends", rule("send: [" + strings.Repeat("{stdout: {}},", 101) + "]"), []string{
			"rules[0].send: must have at most 100 entries, not 101",
		}},
	})
}

func TestParseTaskRefusesConditions(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"no kind of when", rule("when: {}"), []string{"rules[0].when: must have exactly one key, such as {phase: [FAILED]}"}},
		{"a when of null", rule("when: {phase: null}"), []string{"rules[0].when: must have exactly one key, such as {phase: [FAILED]}"}},
		{"a when that is no mapping", rule("when: FAILED"), []string{"rules[0].when: must be a mapping, not a string"}},
		{"a phase that is no list", rule("when: {phase: FAILED}"), []string{"rules[0].when.phase: must be a list, not a string"}},
		{"no phase", rule("when: {phase: []}"), []string{"rules[0].when.phase: must have at least 1 entry, not 0"}},
		{"a phase twice", rule("when: {phase: [FAILED, FAILED]}"), []string{`rules[0].when.phase[1]: "FAILED" is there twice`}},
		{"lower case", rule("when: {phase: [timed_out]}"), []string{
			`rules[0].when.phase[0]: unknown workflow phase "timed_out", did you mean "TIMED_OUT"?`,
		}},
		{"a node's phase", rule("when: {phase: [SKIPPED]}"), []string{
			`rules[0].when.phase[0]: "SKIPPED" is a node's phase, which needs watch.node or when.node`,
		}},
		{"a workflow's phase", "watch: {node: n0}\n" + rule("when: {phase: [SUCCEEDING]}"), []string{
			`rules[0].when.phase[0]: "SUCCEEDING" is a workflow's phase, but a node is watched`,
		}},
		{"a misspelled kind of when", rule("when: {phases: [FAILED]}"), []string{`rules[0].when.phases: unknown key, did you mean "phase"?`}},
	})
}

func TestParseTaskRefusesNames(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"a long name", rule("name: " + strings.Repeat("x", 101)), []string{"rules[0].name: must be at most 100 bytes, printable and without |"}},
		{"a name that separates", rule("name: a|b"), []string{"rules[0].name: must be at most 100 bytes, printable and without |"}},
		{"a name of two lines", rule(`name: "a\nb"`), []string{"rules[0].name: must be at most 100 bytes, printable and without |"}},
		{"two equal default names", "rules: [{when: {phase: [FAILED]}, send: [{stdout: }]}, {when: {phase: [FAILED]}, send: [{stdout: }]}]", []string{
			`rules[1].name: "phase-failed" is the name of rules[0] already`,
		}},
	})
}

func TestParseTaskRefusesSends(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"an if that is no text", rule("if: true"), []string{"rules[0].if: must be a string, not a boolean"}},
		{"a send that is no list", rule("send: {stdout: {}}"), []string{"rules[0].send: must be a list, not a mapping"}},
		{"a send that is no mapping", rule("send: [slack, null]"), []string{
			"rules[0].send[0]: must be a mapping, not a string", "rules[0].send[1]: must be a mapping, not null",
		}},
		{"two notifiers in one entry", rule(`send: [{slack: {}, stdout: {}}]`), []string{
			"rules[0].send[0]: must name exactly one notifier; give each its own entry", "rules[0].send[0].slack.channel: required",
		}},
		{"a destination that is no mapping", rule(`send: [{slack: "#ml"}]`), []string{"rules[0].send[0].slack: must be a mapping, not a string"}},
		{"an unknown notifier", rule(`send: [{carrier-pigeon: {}}]`), []string{
			"rules[0].send[0].carrier-pigeon: unknown notifier, must be one of slack, sendgrid, stdout",
		}},
		{"a destination of nothing", rule("send: [{slack: }]"), []string{"rules[0].send[0].slack.channel: required"}},
	})
}

func TestParseTaskRefusesConnections(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"a connection of stdout", rule("send: [{stdout: {connection: team}}]"), []string{"rules[0].send[0].stdout.connection: unknown key"}},
		{"a connection that is no name", rule(`send: [{slack: {connection: 1, channel: x}}]`), []string{
			"rules[0].send[0].slack.connection: must be a string, not a number",
		}},
		{"a connection of another kind", rule(`send: [{slack: {connection: mail, channel: x}}]`), []string{
			`rules[0].send[0].slack.connection: connection "mail" is of kind sendgrid, not slack`,
		}},
		{"a scope that is not allowed", rule(`send: [{slack: {connection: prod, channel: x}}]`), []string{
			"rules[0].send[0].slack.connection: the connection does not allow scope p/development",
		}},
		{"a channel that is not allowed", rule(`send: [{slack: {connection: narrow, channel: sales}}]`), []string{
			"rules[0].send[0].slack.channel: the connection does not allow destination #sales",
		}},
		{"a person who is not allowed", rule(`send: [{slack: {connection: narrow, email: a@b.c}}]`), []string{
			"rules[0].send[0].slack.email: the connection does not allow destination email:a@b.c",
		}},
		{"addresses that are not allowed", rule(`send: [{sendgrid: {connection: narrow-mail, to: [x@example.org, y@b.c], cc: ["{{.User}}", Zoe <Z@b.c>]}}]`), []string{
			"rules[0].send[0].sendgrid.cc[1]: the connection does not allow destination z@b.c",
			"rules[0].send[0].sendgrid.to[1]: the connection does not allow destination y@b.c",
		}},
		{"templates anywhere in a destination", rule(`send: [{sendgrid: {to: ["{{.Usr}}"], data: {a: [x, "{{if}}"]}}}]`), []string{
			"rules[0].send[0].sendgrid.data.a[1]: line 1: missing value for if",
			"rules[0].send[0].sendgrid.to[0]: line 1:2: unknown variable .Usr, did you mean .User?",
		}},
	})
}

func TestParseTaskRefusesMessages(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"a message that is no mapping", rule("message: hello"), []string{"rules[0].message: must be a mapping, not a string"}},
		{"a bad format", rule(`message: {body: x, format: html}`), []string{`rules[0].message.format: must be one of text, markdown, not "html"`}},
		{"a bad body", rule(`message: {body: "{{define \"x\"}}{{end}}"}`), []string{"rules[0].message.body: define and block are not supported"}},
	})
}

func TestParseTaskRefusesWhatOtherVersionsWillHave(t *testing.T) {
	t.Parallel()
	_, problems := spec.ParseTask(tree(t, rule("when: {no_heartbeat_for: x}")), server())
	require.Equal(t, []string{"rules[0].when.no_heartbeat_for: not supported by this version"}, texts(problems))
}

func TestParseTaskChecksTheWatchedScopeToo(t *testing.T) {
	t.Parallel()
	env := server()
	env.AllowCrossProject = true
	_, problems := spec.ParseTask(tree(t, "watch: {execution: {project: q, name: f1}}\n"+
		rule(`send: [{slack: {connection: own, channel: x}}]`)), env)
	require.Equal(t, []string{"rules[0].send[0].slack.connection: the connection does not allow scope q/development"}, texts(problems))
}

func TestParseTaskOutsideOfAnExecutionUsesNoConnectionOfScopes(t *testing.T) {
	t.Parallel()
	env := server()
	env.Caller = spec.Execution{}
	_, problems := spec.ParseSend(tree(t, `send: [{slack: {connection: own, channel: x}}, {slack: {channel: x}}]`), env)
	require.Equal(t, []string{
		"send[0].slack.connection: the connection allows its scopes only, and the task does not run in an execution",
	}, texts(problems))
}

func TestParseTaskAlone(t *testing.T) {
	t.Parallel()
	doc := "watch: {execution: {input: target}}\nwait: true\n" + rule(`send: [{slack: {connection: anything, channel: x}}, {slack: {channel: y}}]`)
	task, problems := spec.ParseTask(tree(t, doc), alone())
	require.Empty(t, problems)
	require.Equal(t, "anything", task.Rules[0].Send[0].Connection)
	require.Equal(t, spec.Target{}, task.Target)

	task, problems = spec.ParseTask(tree(t, rule()), alone())
	require.Empty(t, problems)
	require.True(t, task.Target.Self)

	_, problems = spec.ParseTask(tree(t, "wait: true\n"+rule("send: [{slack: {}}]")), alone())
	require.Equal(t, []string{
		"rules[0].send[0].slack.channel: required",
		"wait: a task cannot wait for the execution that runs it: it would never end",
	}, texts(problems))
}

func TestParseTaskBoundsItsProblems(t *testing.T) {
	t.Parallel()
	_, problems := spec.ParseTask(tree(t, rule("send: ["+strings.Repeat(`{slack: {channel: "{{", x: 1, y: 2}},`, 90)+"]")), server())
	require.Len(t, problems, 101)
	require.Regexp(t, `^and \d+ more problems$`, problems[100].String())
}

func TestParseSend(t *testing.T) {
	t.Parallel()
	task, problems := spec.ParseSend(tree(t, `{send: [{slack: {channel: x}}], message: {title: hi}}`), server())
	require.Empty(t, problems)
	require.Equal(t, &spec.SendTask{
		Send:    []spec.Step{{Kind: "slack", Connection: "team", Destination: json.RawMessage(`{"channel":"x"}`), Path: "send[0].slack"}},
		Message: render.Template{Title: "hi"}, Require: spec.RequireAccepted,
	}, task)

	task, problems = spec.ParseSend(tree(t, `{send: [{stdout: {}}], require: delivered}`), server())
	require.Empty(t, problems)
	require.Equal(t, spec.RequireDelivered, task.Require)

	_, problems = spec.ParseSend(tree(t, `{send: [{webhook: {}}, {slack: {}}], require: Delivered, rules: [], message: {title: "{{"}}`), server())
	require.Equal(t, []string{
		`message.title: line 1: unclosed action`,
		`require: must be one of accepted, delivered, not "Delivered", did you mean "delivered"?`,
		`rules: unknown key`,
		`send[0].webhook: is no notifier: use stdout, for example`,
		`send[1].slack.channel: required`,
	}, texts(problems))
}

func TestParseSendChecksTheCallersScope(t *testing.T) {
	t.Parallel()
	_, problems := spec.ParseSend(tree(t, `{send: [{slack: {connection: prod, channel: x}}]}`), server())
	require.Equal(t, []string{"send[0].slack.connection: the connection does not allow scope p/development"}, texts(problems))

	env := server()
	env.Caller.Domain = "production"
	_, problems = spec.ParseSend(tree(t, `{send: [{slack: {connection: prod, channel: x}}]}`), env)
	require.Empty(t, problems)
}

func TestDestinationReadsWhatWasStored(t *testing.T) {
	t.Parallel()
	m, _ := registry().Find("slack")
	d, err := spec.Destination(m, json.RawMessage(`{"channel": "#ml"}`))
	require.NoError(t, err)
	require.Equal(t, "#ml", d.Address())

	_, err = spec.Destination(m, json.RawMessage(`{"channel": 3}`))
	require.EqualError(t, err, "read destination of slack: channel: must be a string, not a number")

	_, err = spec.Destination(m, json.RawMessage(`{`))
	require.ErrorContains(t, err, "read destination of slack")
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		full, rule(), "{}", rule("when: {phase: [failed]}"), "send: [{slack: {channel: x}}]",
		"watch: {execution: {input: full}}\n" + rule(`if: inputs.n > 3`), rule(`send: [{slack: , stdout: {}}]`), "rules: [{send: [{sendgrid: {data: .nan}}]}]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := strict.YAML(data)
		if err != nil {
			return
		}
		for _, env := range []spec.Env{server(), alone()} {
			task, problems := spec.ParseTask(parsed, env)
			require.Equal(t, task == nil, len(problems) > 0, "either a task or problems")
			_, again := spec.ParseTask(parsed, env)
			require.Equal(t, problems, again, "the same problems in the same order")
			if task != nil {
				stored, err := json.Marshal(task)
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(stored, &spec.Task{}))
			}
			send, problems := spec.ParseSend(parsed, env)
			require.Equal(t, send == nil, len(problems) > 0, "either a task or problems")
		}
	})
}

func BenchmarkParseTask(b *testing.B) {
	parsed, env := tree(b, full), server()
	for b.Loop() {
		if _, problems := spec.ParseTask(parsed, env); len(problems) > 0 {
			b.Fatal(fmt.Sprint(problems))
		}
	}
}

func TestFormatOfTheMessage(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]bool{"": false, ", format: text": false, ", format: markdown": true} {
		task, problems := spec.ParseSend(tree(t, `{send: [{slack: {channel: x}}], message: {body: hi`+format+`}}`), server())
		require.Empty(t, problems)
		require.Equal(t, want, task.Message.Markdown)
	}
}

func TestParseTaskReadsAFallback(t *testing.T) {
	t.Parallel()
	task, problems := spec.ParseTask(tree(t, rule(`fallback: [{slack: {channel: "#ops"}}, {stdout: {}}]`)), server())
	require.Empty(t, problems)
	fallback := task.Rules[0].Fallback
	require.Len(t, fallback, 2)
	require.Equal(t, "rules[0].fallback[0].slack", fallback[0].Path)
	require.Equal(t, "slack", fallback[0].Kind)
	require.NotEmpty(t, fallback[0].Connection, "the server's default")
	refuses(t, []refusal{
		{"a fallback that is no list", rule("fallback: x"), []string{"rules[0].fallback: must be a list, not a string"}},
		{"an unknown notifier", rule("fallback: [{slak: {}}]"), []string{`rules[0].fallback[0].slak: unknown notifier, did you mean "slack"?`}},
		{"an unknown variable", rule(`fallback: [{slack: {channel: "{{.Channel}}"}}]`), []string{"rules[0].fallback[0].slack.channel: line 1:2: unknown variable .Channel"}},
	})
}

func TestParseStepsBelongToNoExecution(t *testing.T) {
	t.Parallel()
	env := server()
	env.Caller = spec.Execution{}
	steps, problems := spec.ParseSteps("ops", []any{map[string]any{"slack": map[string]any{"channel": "#ops"}}}, env)
	require.Empty(t, problems)
	require.Equal(t, "ops[0].slack", steps[0].Path)
	_, problems = spec.ParseSteps("ops", []any{map[string]any{"slack": map[string]any{"connection": "own", "channel": "x"}}, "x"}, env)
	require.Equal(t, []string{
		"ops[0].slack.connection: the connection allows its scopes only, and this message is of none",
		"ops[1]: must be a mapping, not a string",
	}, texts(problems))
	_, problems = spec.ParseSteps("ops", "x", env)
	require.Equal(t, []string{"ops: must be a list, not a string"}, texts(problems))
}
