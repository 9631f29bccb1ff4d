package spec_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

// A task's custom is a protobuf Struct: what YAML says and what arrives must come to the same.
func TestParseTaskReadsAStruct(t *testing.T) {
	t.Parallel()
	want, problems := spec.ParseTask(tree(t, full), server())
	require.Empty(t, problems)
	custom, err := structpb.NewStruct(tree(t, full).(map[string]any))
	require.NoError(t, err)
	got, problems := spec.ParseTask(custom.AsMap(), server())
	require.Empty(t, problems)

	wanted, err := json.Marshal(want)
	require.NoError(t, err)
	stored, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(wanted), string(stored))
}

func TestParseTaskReadsNoStructAtAll(t *testing.T) {
	t.Parallel()
	var none *structpb.Struct
	_, problems := spec.ParseTask(none.AsMap(), server())
	require.Equal(t, []string{"rules: required"}, texts(problems))
}

// The answer to CreateTask is due within three seconds, whatever the spec.
func TestParseTaskOfTheLargestSpecIsQuick(t *testing.T) {
	t.Parallel()
	steps := make([]any, 100)
	for i := range steps {
		steps[i] = map[string]any{"sendgrid": map[string]any{"to": []any{"a@example.org", "{{.User}}"}, "subject": "{{.Workflow}} {{.Phase}}"}}
	}
	rules := make([]any, 100)
	for i := range rules {
		rules[i] = map[string]any{
			"name": fmt.Sprint(i), "when": map[string]any{"phase": []any{"FAILED"}}, "send": steps,
			"if": `elapsed > duration("10m") && labels["team"] in ["` + strings.Repeat("x", 1000) + `"]`,
		}
	}
	start := time.Now()
	task, problems := spec.ParseTask(map[string]any{"rules": rules}, server())
	require.Empty(t, problems)
	require.Len(t, task.Rules, 100)
	require.Less(t, time.Since(start), 30*time.Second, "generous, for a loaded machine with the race detector")
}

// Whatever phases a rule names, in whatever order, its default name tells them apart.
func TestDefaultNamesTellRulesApart(t *testing.T) {
	t.Parallel()
	phases := []string{"QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED", "FAILING", "FAILED", "ABORTED", "TIMED_OUT", "ABORTING"}
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.SliceOfNDistinct(rapid.SampledFrom(phases), 1, 5, rapid.ID[string])
		one, two := draw.Draw(t, "one"), draw.Draw(t, "two")
		rule := func(phases []string) any {
			var list []any
			for _, p := range phases {
				list = append(list, p)
			}
			return map[string]any{"when": map[string]any{"phase": list}, "send": []any{map[string]any{"stdout": nil}}}
		}
		task, problems := spec.ParseTask(map[string]any{"rules": []any{rule(one), rule(two)}}, server())
		if fmt.Sprint(one) == fmt.Sprint(two) {
			if len(problems) != 1 || problems[0].Path != "rules[1].name" {
				t.Fatalf("two equal names: %v", problems)
			}
			return
		}
		if len(problems) > 0 || task.Rules[0].Name == task.Rules[1].Name {
			t.Fatalf("%v: %v", problems, task)
		}
		if want := strings.ToLower("phase-" + strings.Join(one, "-")); task.Rules[0].Name != want {
			t.Fatalf("name %s, want %s", task.Rules[0].Name, want)
		}
	})
}

// A text that is not a name in Flyte must never reach flyteadmin's filters.
func TestNoNameReachesAFilterUnchecked(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"a;b", "a)", "a+b", "a,b", "a b", "a/b", "ä", "a\nb", "a%2Cb", "(", "a'"} {
		for _, key := range []string{"project", "domain", "name"} {
			env := server()
			env.AllowCrossProject = true
			x := map[string]any{"project": "p", "domain": "d", "name": "n"}
			x[key] = bad
			doc := tree(t, rule()).(map[string]any)
			doc["watch"] = map[string]any{"execution": x}
			_, problems := spec.ParseTask(doc, env)
			require.NotEmpty(t, problems, "%s %q", key, bad)
			require.Equal(t, "watch.execution."+key, problems[0].Path)

			env.Caller = spec.Execution{Project: x["project"].(string), Domain: x["domain"].(string), Name: x["name"].(string)}
			_, problems = spec.ParseTask(tree(t, rule()), env)
			require.Equal(t, []string{"watch.execution: the task's own execution has no proper name"}, texts(problems))

			env.Inputs = map[string]any{"x": fmt.Sprintf("%s/%s/%s", x["project"], x["domain"], x["name"])}
			env.Caller = server().Caller
			doc["watch"] = map[string]any{"execution": map[string]any{"input": "x"}}
			_, problems = spec.ParseTask(doc, env)
			require.NotEmpty(t, problems, "input %s %q", key, bad)
		}
		doc := tree(t, rule()).(map[string]any)
		doc["watch"] = map[string]any{"node": bad}
		_, problems := spec.ParseTask(doc, server())
		require.Equal(t, "watch.node", problems[0].Path)
	}
}
