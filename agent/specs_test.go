package agent_test

import (
	"fmt"
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// from lets another execution run the task.
func from(project, name string) func(*admin.CreateTaskRequest) {
	return func(r *admin.CreateTaskRequest) {
		id := r.GetTaskExecutionMetadata().GetTaskExecutionId().GetNodeExecutionId().GetExecutionId()
		id.Project, id.Name = project, name
		r.OutputPrefix = fmt.Sprintf("s3://flyte/metadata/%s-%s-%s/n0/data/0", project, own.Domain, name)
	}
}

// The executions of a workflow bring the same spec, which is read once: what depends on who brings it must
// not be that of the first.
func TestASpecThatComesAgainIsItsCallersOwn(t *testing.T) {
	self := object{"watch": object{"execution": "self"}, "rules": rules()}
	named := object{"watch": object{"execution": object{"name": "f3"}}, "rules": rules()}
	private := object{"rules": list{object{
		"when": object{"phase": list{"FAILED"}},
		"send": list{object{"slack": object{"connection": "private", "channel": "#private"}}},
	}}}
	bubble(t, func(w *world) {
		for range 2 {
			w.create(request(w.t, self, from("ml", "f1")))
			w.create(request(w.t, self, from("ml", "f2")))
			w.create(request(w.t, named, from("ml", "f3"))) // itself, but by its name
			w.create(request(w.t, named, from("ml", "f4")))
		}
		for i, other := range []string{"a1", "a2"} {
			byInput := object{"watch": object{"execution": object{"input": "other"}}, "rules": rules()}
			r := request(w.t, byInput, from("ml", fmt.Sprint("f", 5+i)))
			r.Inputs = &core.LiteralMap{Literals: map[string]*core.Literal{"other": text(other)}}
			w.create(r)
		}
		watched := map[string]string{}
		for _, x := range w.watches() {
			require.Contains(w.t, string(x.Custom), `"phase-failed"`)
			watched[x.Own.Name] = x.Execution.Name
		}
		require.Equal(w.t, map[string]string{"f1": "f1", "f2": "f2", "f3": "f3", "f4": "f3", "f5": "a1", "f6": "a2"}, watched)

		phase := func(project, name string) core.TaskExecution_Phase {
			return w.get(w.create(request(w.t, private, from(project, name)))).GetPhase()
		}
		for range 2 {
			require.Equal(w.t, core.TaskExecution_SUCCEEDED, phase("secret", "f3"))
			require.Equal(w.t, core.TaskExecution_FAILED, phase("ml", "f3"), "another project may not use the connection")
			require.Equal(w.t, core.TaskExecution_FAILED, phase("secret", "f 4"), "no execution has such a name")
		}
	})
}

// A spec that is known was judged by the connections there were.
func TestASpecIsJudgedByTheConnectionsThereAre(t *testing.T) {
	foreign := object{"watch": object{"execution": object{"project": "other", "domain": own.Domain, "name": "f9"}}, "rules": rules()}
	bubble(t, func(w *world) {
		created := 0
		phase := func(spec object) core.TaskExecution_Phase {
			created++
			return w.get(w.create(request(w.t, spec, from("ml", fmt.Sprint("f", created))))).GetPhase()
		}
		mine := object{"rules": list{object{
			"when": object{"phase": list{"FAILED"}}, "send": list{object{"slack": object{"channel": "#ml"}}},
		}}}
		require.Equal(w.t, core.TaskExecution_SUCCEEDED, phase(mine))
		require.Equal(w.t, core.TaskExecution_FAILED, phase(foreign))
		for range 2 {
			w.agent.Reload(notifier.NewConnections(nil, nil), true)
			require.Equal(w.t, core.TaskExecution_FAILED, phase(mine), "its connection is gone")
			w.agent.Reload(connections(), true)
			require.Equal(w.t, core.TaskExecution_SUCCEEDED, phase(mine))
			require.Equal(w.t, core.TaskExecution_SUCCEEDED, phase(foreign), "other projects may be watched now")
		}
		w.agent.Reload(connections(), false)
		require.Equal(w.t, core.TaskExecution_FAILED, phase(foreign))
	})
}
