package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

const rulesPage = "../../docs/rules.md"

// row is a line of the page's table of conditions: YAML, when it fires, the title that it makes.
var row = regexp.MustCompile("(?m)^\\| `([a-z_]+: .+?)` \\| .+ \\| `([^`]+)` \\|$")

// TestConditionsOfTheRulesPage shows that each condition on the page is accepted, fires at its time and not
// before, and makes the message that stands beside it.
func TestConditionsOfTheRulesPage(t *testing.T) {
	t.Parallel()
	told := map[spec.WhenKind]bool{}
	for _, found := range row.FindAllStringSubmatch(page(t), -1) {
		rule := pageRule(t, found[1])
		told[rule.When.Is()] = true
		t.Run(found[1], func(t *testing.T) {
			t.Parallel()
			s := newStory(t, rule)
			m, err := render.Message(render.Content{Data: s.data()}, "")
			require.NoError(t, err)
			require.Equal(t, found[2], m.Title)
		})
	}
	for _, kind := range []spec.WhenKind{
		spec.WhenPhase, spec.WhenRunningFor, spec.WhenQueuedFor, spec.WhenDeadline, spec.WhenGate, spec.WhenNode, spec.WhenBeforeTimeout,
		spec.WhenFirstFailure, spec.WhenRecovered, spec.WhenNoSuccessFor, spec.WhenFailureRate,
	} {
		require.True(t, told[kind], "%s is on the page", kind)
	}
}

// TestMessagesOfTheRulesPage compares the messages that the page shows in full.
func TestMessagesOfTheRulesPage(t *testing.T) {
	t.Parallel()
	gate := newStory(t, pageRule(t, "gate: waiting")).data()
	long := newStory(t, pageRule(t, "running_for: 2h")).data()
	long.Repeat, long.Skipped, long.At, long.Elapsed = 3, 2, long.At.Add(5*time.Hour), long.Elapsed+5*time.Hour
	var quiet []render.Content
	for i, when := range []string{"phase: [FAILED]", "phase: [FAILED]", "running_for: 2h"} {
		d := newStory(t, pageRule(t, when)).data()
		d.At = d.At.Add(time.Duration(i) * 20 * time.Minute)
		quiet = append(quiet, render.Content{Data: d})
	}
	for name, c := range map[string]render.Content{
		"gate": {Data: gate}, "reminder": {Data: long}, "digest": render.NewDigest(quiet),
	} {
		m, err := render.Message(c, "")
		require.NoError(t, err)
		text := strings.TrimSuffix(stdout.Text(m), "\n")
		if !strings.Contains(page(t), "```text\n"+text+"```\n") {
			t.Errorf("%s does not have the message of a %s as it is:\n%s", rulesPage, name, text)
		}
	}
}

// TestVariablesOfTheRulesPage shows that the page has every variable of templates and of `if`, and no other.
func TestVariablesOfTheRulesPage(t *testing.T) {
	t.Parallel()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[render.Data]()) {
		if field.Type.Kind() != reflect.Struct || field.Type == reflect.TypeFor[time.Time]() {
			require.Contains(t, page(t), "`."+field.Name+"`")
			continue
		}
		for _, part := range reflect.VisibleFields(field.Type) {
			require.Contains(t, page(t), "`."+field.Name+"."+part.Name+"`")
		}
	}
	for _, found := range regexp.MustCompile("`(\\.[A-Z][A-Za-z.]+)`").FindAllStringSubmatch(page(t), -1) {
		require.NoError(t, render.Check("{{"+found[1]+"}}"))
	}
	for _, name := range spec.Variables() {
		require.Regexp(t, "`"+name+"(\\.[a-z]+)?`", page(t))
	}
}

func page(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(rulesPage)
	require.NoError(t, err)
	return string(data)
}

// pageRule reads a condition as the rule of a subscription; one that is not of a launch plan's history also as
// that of a task.
func pageRule(t *testing.T, when string) spec.Rule {
	t.Helper()
	tree, err := strict.YAML(fmt.Appendf(nil, "[{name: s, rules: [{name: r, when: {%s}, send: [{stdout: {}}]}]}]", when))
	require.NoError(t, err)
	env := spec.Env{Registry: builtin.Registry(io.Discard)}
	all, problems, broken := spec.ParseSubscriptions("", tree, env)
	require.Empty(t, append(problems, broken...), when)
	rule := all[0].Rules[0]
	switch rule.When.Is() {
	case spec.WhenFirstFailure, spec.WhenRecovered, spec.WhenNoSuccessFor, spec.WhenFailureRate:
	default:
		tree, err := strict.YAML(fmt.Appendf(nil, "rules: [{name: r, when: {%s}, send: [{stdout: {}}]}]", when))
		require.NoError(t, err)
		_, problems := spec.ParseTask(tree, env)
		require.Empty(t, problems, when)
	}
	return rule
}

// story is an execution that a rule tells of.
type story struct {
	facts  executor.Facts
	at     time.Time // when the rule tells
	reason string
}

// newStory makes the execution, and lets the rule fire: not a second before its time.
func newStory(t *testing.T, r spec.Rule) *story {
	t.Helper()
	begin := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	s := &story{at: begin.Add(40 * time.Minute), facts: executor.Facts{Execution: flyte.Execution{
		ID:    flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "f8d3a1"},
		Phase: "RUNNING", Workflow: "churn.train", LaunchPlan: "churn.nightly", User: "ada",
		CreatedAt: begin, StartedAt: begin, ConsoleURL: "https://flyte.example.org/console/projects/ml/domains/production/executions/f8d3a1",
	}}}
	timed := true
	switch w := r.When; w.Is() {
	case spec.WhenPhase:
		s.end(w.Phases[0])
		timed = false
	case spec.WhenRunningFor:
		s.at = begin.Add(w.For)
	case spec.WhenQueuedFor:
		s.facts.Execution.Phase, s.facts.Execution.StartedAt, s.at = "QUEUED", time.Time{}, begin.Add(w.For)
	case spec.WhenDeadline:
		s.at = w.Deadline.Time(begin, begin)
	case spec.WhenGate:
		s.facts.Gates = []flyte.Gate{{Signal: "ship-it", Type: "boolean", Node: "n2", Approval: true}}
		timed = false
	case spec.WhenNode:
		s.facts.Nodes = map[string]flyte.Node{w.NodeID: {ID: w.NodeID, Phase: w.NodePhases[0]}}
		timed = false
	case spec.WhenBeforeTimeout:
		s.facts.Running = []flyte.Node{{ID: "n3", Phase: "RUNNING", CreatedAt: begin, StartedAt: begin, Timeout: time.Hour}}
		s.at = begin.Add(time.Hour - w.For)
	default:
		s.history(t, r, begin)
		return s
	}
	if timed {
		early, err := executor.Evaluate(s.facts, r, s.at.Add(-time.Second))
		require.NoError(t, err)
		require.Empty(t, early)
	}
	told, err := executor.Evaluate(s.facts, r, s.at)
	require.NoError(t, err)
	require.Len(t, told, 1)
	s.reason = told[0].Reason
	return s
}

func (s *story) end(phase string) {
	s.facts.Execution.Phase, s.facts.Execution.StartedAt, s.facts.Execution.EndedAt = phase, s.at.Add(-40*time.Minute), s.at
	if phase == "FAILED" {
		s.facts.Execution.Error = flyte.ExecutionError{Kind: "USER", Code: "USER:ValueError", Message: "ValueError: the data set has no rows"}
	}
}

// history lets executions of a launch plan end, of which the last makes the rule fire.
func (s *story) history(t *testing.T, r spec.Rule, begin time.Time) {
	t.Helper()
	ends := map[spec.WhenKind]string{
		spec.WhenFirstFailure: "SF", spec.WhenRecovered: "SFFFS", spec.WhenNoSuccessFor: "S", spec.WhenFailureRate: "SFSFSFSSSFSSF",
	}[r.When.Is()]
	rules, series := []spec.Rule{r}, executor.Series{Born: begin.Add(-24 * time.Hour)}
	var told []executor.Occurrence
	for i, end := range ends {
		require.Empty(t, told, "only the last one is told")
		s.at = begin.Add(-time.Duration(len(ends)-1-i) * time.Hour)
		s.facts.Execution.ID.Name = fmt.Sprintf("f8d3a%d", i)
		s.end(map[rune]string{'S': "SUCCEEDED", 'F': "FAILED"}[end])
		before := series
		series, told = series.Ended(s.facts.Execution, rules)
		s.facts.History = series.History(before)
	}
	if r.When.Is() == spec.WhenNoSuccessFor {
		_, early, due := series.Silent(rules, s.at)
		require.Empty(t, early)
		_, told, _ = series.Silent(rules, due)
		s.at, s.facts.Execution = due, flyte.Execution{ID: flyte.ExecutionID{Scope: s.facts.Execution.ID.Scope}, LaunchPlan: "churn.nightly"}
	}
	require.Len(t, told, 1)
	s.reason = told[0].Reason
}

// data are the facts as templates see them.
func (s *story) data() render.Data {
	x := s.facts.Execution
	d := render.Data{
		Project: x.ID.Project, Domain: x.ID.Domain, Name: x.ID.Name, Phase: x.Phase, Workflow: x.Workflow, LaunchPlan: x.LaunchPlan,
		Error: x.Error.Message, ErrorKind: x.Error.Kind, ErrorCode: x.Error.Code,
		User: x.User, StartedAt: x.StartedAt, ConsoleURL: x.ConsoleURL, Rule: "r", Reason: s.reason, History: s.facts.History, At: s.at,
	}
	if !x.StartedAt.IsZero() {
		d.Elapsed = s.at.Sub(x.StartedAt)
	}
	for _, g := range s.facts.Gates {
		d.Gate = render.Gate(g)
	}
	return d
}
