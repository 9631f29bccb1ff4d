package spec_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

func TestTarget(t *testing.T) {
	t.Parallel()
	own := spec.Target{Execution: spec.Execution{Org: "o", Project: "p", Domain: "development", Name: "own"}, Self: true}
	other := func(project, domain string) spec.Target {
		return spec.Target{Execution: spec.Execution{Org: "o", Project: project, Domain: domain, Name: "other"}}
	}
	ofNode := own
	ofNode.Node = "n2"
	for _, tt := range []struct {
		name, watch string
		cross       bool
		want        spec.Target
	}{
		{"the default", "", false, own},
		{"an empty watch", "watch: {}", false, own},
		{"self", "watch: {execution: self}", false, own},
		{"a node of it", "watch: {node: n2}", false, ofNode},
		{"a name", "watch: {execution: {name: other}}", false, other("p", "development")},
		{"another domain", "watch: {execution: {domain: staging, name: other}}", false, other("p", "staging")},
		{"another project", "watch: {execution: {project: q, name: other}}", true, other("q", "development")},
		{"its own name", "watch: {execution: {project: p, domain: development, name: own}}", false, own},
		{"an input", "watch: {execution: {input: target}}", false, other("p", "development")},
		{"an input of three parts", "watch: {execution: {input: full}}", false, other("p", "staging")},
		{"an input of another project", "watch: {execution: {input: foreign}}", true, other("q", "staging")},
		{"an input that holds its own name", "watch: {execution: {input: mine}}", false, own},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := server()
			env.AllowCrossProject = tt.cross
			task, problems := spec.ParseTask(tree(t, tt.watch+"\n"+rule()), env)
			require.Empty(t, problems)
			require.Equal(t, tt.want, task.Target)
		})
	}
}

func TestTargetRefuses(t *testing.T) {
	t.Parallel()
	inside, outside, odd := server(), server(), server()
	outside.Caller = spec.Execution{}
	odd.Caller.Name = "own);other"
	noInputs := server()
	noInputs.Inputs = nil
	const never = "wait: a task cannot wait for the execution that runs it: it would never end"
	for _, tt := range []struct {
		name, watch string
		env         spec.Env
		want        []string
	}{
		{"another word", "watch: {execution: me}", inside, []string{
			`watch.execution: must be self, {project, domain, name} or {input: NAME}, not "me"`,
		}},
		{"a list", "watch: {execution: [me]}", inside, []string{
			`watch.execution: must be self, {project, domain, name} or {input: NAME}, not a list`,
		}},
		{"no name", "watch: {execution: {project: p}}", inside, []string{"watch.execution.name: required"}},
		{"an empty name", "watch: {execution: {name: ''}}", inside, []string{"watch.execution.name: required"}},
		{"an empty mapping", "watch: {execution: {}}", inside, []string{"watch.execution.name: required"}},
		{"an empty input", "watch: {execution: {input: ''}}", inside, []string{"watch.execution.input: required"}},
		{"both forms", "watch: {execution: {name: x, input: target}}", inside, []string{
			"watch.execution: must be either {project, domain, name} or {input: NAME}",
		}},
		{"a number as name", "watch: {execution: {name: 5}}", inside, []string{"watch.execution.name: must be a string, not a number"}},
		{"a foreign project", "watch: {execution: {project: q, name: x}}", inside, []string{
			`watch.execution.project: project "q" is not the task's own, and the server does not allow that (watch.allow_cross_project)`,
		}},
		{"a foreign project by input", "watch: {execution: {input: foreign}}", inside, []string{
			`watch.execution.input: project "q" is not the task's own, and the server does not allow that (watch.allow_cross_project)`,
		}},
		{"an unknown input", "watch: {execution: {input: targt}}", inside, []string{
			`watch.execution.input: the task has no input "targt", did you mean "target"?`,
		}},
		{"a task without inputs", "watch: {execution: {input: target}}", noInputs, []string{
			`watch.execution.input: the task has no input "target"`,
		}},
		{"an input of another type", "watch: {execution: {input: number}}", inside, []string{
			`watch.execution.input: input "number" must hold a string, not a number`,
		}},
		{"an input that holds no name", "watch: {execution: {input: odd}}", inside, []string{
			`watch.execution.input: input "odd" must hold a name or project/domain/name, not "a b"`,
		}},
		{"a filter as project", "watch: {execution: {project: 'p)+value_in(x,1', name: x}}", inside, []string{
			`watch.execution.project: must consist of letters, digits, '-', '_' and '.', not "p)+value_in(x,1"`,
			`watch.execution.project: project "p)+value_in(x,1" is not the task's own, and the server does not allow that (watch.allow_cross_project)`,
		}},
		{"a long name", "watch: {execution: {name: " + strings.Repeat("x", 256) + "}}", inside, []string{
			`watch.execution.name: must consist of letters, digits, '-', '_' and '.', not "` + strings.Repeat("x", 64) + `"...`,
		}},
		{"self outside of an execution", "", outside, []string{"watch.execution: required: the task does not run in an execution"}},
		{"a name outside of an execution", "watch: {execution: {name: x}}", outside, []string{
			"watch.execution.domain: required: the task does not run in an execution",
			"watch.execution.project: required: the task does not run in an execution",
		}},
		{"a full name outside of an execution", "watch: {execution: {project: p, domain: d, name: x}}", outside, []string{
			`watch.execution.project: project "p" is not the task's own, and the server does not allow that (watch.allow_cross_project)`,
		}},
		{"a caller of no proper name", "", odd, []string{"watch.execution: the task's own execution has no proper name"}},
		{"waiting for self", "wait: true", inside, []string{never}},
		{"waiting for self by name", "wait: true\nwatch: {execution: {name: own}}", inside, []string{never}},
		{"waiting for self by input", "wait: true\nwatch: {execution: {input: mine}}", inside, []string{never}},
		{"waiting for a node of self", "wait: true\nwatch: {node: n1}", inside, []string{never}},
		{"a watch that is no mapping", "watch: self", inside, []string{"watch: must be a mapping, not a string"}},
		{"a node that is no text", "watch: {node: 3}", inside, []string{"watch.node: must be a string, not a number"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, problems := spec.ParseTask(tree(t, tt.watch+"\n"+rule()), tt.env)
			require.Equal(t, tt.want, texts(problems))
		})
	}
}
