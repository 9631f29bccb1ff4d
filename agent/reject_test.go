package agent_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/agent"
)

// rejected creates a task that must be refused, with a store that fails, and returns why.
func (w *world) rejected(r *admin.CreateTaskRequest) string {
	w.t.Helper()
	everything := append(reads(), "Register", "Cancel", "Events")
	w.store.fault(failing(errDisk), everything...)
	meta := w.create(r)
	phase, message := w.phase(meta)
	require.Equal(w.t, "FAILED", phase)
	w.delete(meta)
	w.store.fault(nil, everything...)
	require.Empty(w.t, w.watches())
	require.Empty(w.t, w.registered)
	return message
}

func TestBadSpecIsFailedWithEveryProblem(t *testing.T) {
	bubble(t, func(w *world) {
		message := w.rejected(request(w.t, object{
			"wait":  "yes",
			"watch": object{"execution": object{"project": "other", "name": "x y"}},
			"rulez": list{},
			"rules": list{
				object{"when": object{"phase": list{"FAILD"}}, "send": list{object{"slack": object{}}}},
				object{"when": object{"no_heartbeat_for": "2h"}, "if": "elapsed >", "send": list{object{"mattermost": object{}}}},
				object{
					"when": object{"phase": list{"FAILED"}}, "message": object{"title": "{{.Nope}}"},
					"send": list{object{"slack": object{"connection": "gone", "channel": "#ml"}}, object{"slack": object{"connection": "private", "channel": "#ml"}}},
				},
			},
		}, outputs("phase", "surprise")))
		first, _, _ := strings.Cut(message, "\n")
		require.Equal(w.t, "bad notification task:", first)
		for _, want := range []string{
			"\nwait: ", "\nwatch.execution.name: ", "\nrulez: unknown key", "\nrules[0].when.phase[0]: ",
			"\nrules[0].send[0].slack.channel: ", "\nrules[1].when.no_heartbeat_for: not supported by this version",
			"\nrules[1].if: ", "\nrules[1].send[0].mattermost: is no notifier: use webhook, with format: mattermost in its connection", "\nrules[2].message.title: ",
			"\nrules[2].send[0].slack.connection: unknown connection", "\nrules[2].send[1].slack.connection: ",
			"\ninterface.outputs.surprise: must be one of phase: str and deliveries: list[dict]",
		} {
			require.Contains(w.t, message, want)
		}
	})
}

func TestRefusals(t *testing.T) {
	good := object{"rules": rules()}
	untyped := func(t *core.LiteralType, name string) func(*admin.CreateTaskRequest) {
		return func(r *admin.CreateTaskRequest) {
			r.Template.Interface = &core.TypedInterface{Outputs: &core.VariableMap{Variables: map[string]*core.Variable{name: {Type: t}}}}
		}
	}
	cases := map[string]struct {
		custom object
		edit   func(*admin.CreateTaskRequest)
		want   string
	}{
		"waiting for oneself": {object{"wait": true, "rules": rules()}, nil, "\nwait: a task cannot wait for the execution that runs it"},
		"waiting for oneself by name": {
			object{"wait": true, "watch": object{"execution": object{"name": own.Name}}, "rules": rules()}, nil, "\nwait: ",
		},
		"another project": {
			object{"watch": object{"execution": object{"project": "hr", "name": "x"}}, "rules": rules()},
			nil,
			"\nwatch.execution.project: ",
		},
		"unknown type":           {good, ofType("sensor"), "\ntype: unknown task type \"sensor\"; there are notification and notification_send"},
		"no template":            {good, func(r *admin.CreateTaskRequest) { r.Template = nil }, "\ntype: unknown task type \"\""},
		"no custom":              {good, func(r *admin.CreateTaskRequest) { r.Template.Custom = nil }, "\nrules: "},
		"no execution":           {good, func(r *admin.CreateTaskRequest) { r.TaskExecutionMetadata = nil }, "\nwatch.execution: required"},
		"phase is a number":      {good, untyped(simple(core.SimpleType_INTEGER), "phase"), "\ninterface.outputs.phase: must be str"},
		"deliveries is no list":  {good, untyped(simple(core.SimpleType_STRUCT), "deliveries"), "\ninterface.outputs.deliveries: must be list[dict]"},
		"deliveries of strings":  {good, untyped(listOf(simple(core.SimpleType_STRING)), "deliveries"), "\ninterface.outputs.deliveries: must be list[dict]"},
		"an output without type": {good, untyped(nil, "phase"), "\ninterface.outputs.phase: must be str"},
		"nothing to send":        {object{"send": list{}}, ofType(agent.TypeSend), "\nsend: "},
		"requires too much":      {sending("read"), ofType(agent.TypeSend), "\nrequire: "},
		"rules in a send":        {good, ofType(agent.TypeSend), "\nrules: unknown key"},
		"an input that is not there": {
			object{"watch": object{"execution": object{"input": "gone"}}, "rules": rules()}, nil, "\nwatch.execution.input: the task has no input",
		},
	}
	bubble(t, func(w *world) {
		for name, tc := range cases {
			r := request(w.t, tc.custom)
			if tc.edit != nil {
				tc.edit(r)
			}
			require.Contains(w.t, w.rejected(r), tc.want, name)
		}
	})
}

func TestOversizeCustom(t *testing.T) {
	bubble(t, func(w *world) {
		huge := object{"rules": rules(), "note": strings.Repeat("x", 1<<20)}
		require.Equal(w.t, "bad notification task:\ncustom: has 1048676 bytes, at most 262144 are allowed", w.rejected(request(w.t, huge)))
		huge["note"] = strings.Repeat("x", 3<<20)
		require.Contains(w.t, w.rejected(request(w.t, huge)), "custom: has 3145")
	})
}

// A rejection fits into FlytePropeller's record however many problems there are, and whatever
// texts they repeat.
func TestManyProblemsFit(t *testing.T) {
	bubble(t, func(w *world) {
		for name, text := range map[string]string{
			"plain":   "word",
			"quotes":  `"'\`,
			"html":    strings.Repeat("<&>", 100),
			"control": "\x00\x01\x1b[31m\r\n\t\u2028\u2029\u202e",
			"long":    strings.Repeat(`"`, 400),
			"wide":    strings.Repeat("🙂", 100),
			"percent": "%s%d{{.}}",
		} {
			var all list
			for i := range 100 { // five problems each
				all = append(all, object{
					"when": object{"phase": list{fmt.Sprint(text, i), "FAILED"}}, text: i, "name": text + "|", "if": text + "(",
					"send": list{object{"slack": object{"connection": fmt.Sprint(text, i), "channel": "#x"}}},
				})
			}
			message := w.rejected(request(w.t, object{"rules": all}))
			require.Contains(w.t, message, "rules[0]", name)
			require.GreaterOrEqual(w.t, strings.Count(message, "\n"), 3, "%s", message)
			require.True(w.t, strings.HasSuffix(message, "\nand more: flyte-notifier validate lists them"), "%s", message)
			require.NotContains(w.t, message, "\x1b")
			if name != "quotes" && name != "long" { // JSON makes two bytes of a quote
				require.Greater(w.t, len(message), 1300, "the room is used: %s", name)
			}
		}
	})
}

func TestAllProblemsOfAnOrdinarySpecFit(t *testing.T) {
	bubble(t, func(w *world) {
		var all list
		for range 8 {
			all = append(all, object{"when": object{"phase": list{"FAILED"}}, "send": list{object{"slack": object{}}}})
		}
		message := w.rejected(request(w.t, object{"rules": all}))
		for i := range all {
			require.Contains(w.t, message, fmt.Sprintf("\nrules[%d].send[0].slack", i))
		}
		require.NotContains(w.t, message, "and more")
	})
}
