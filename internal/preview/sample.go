package preview

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// sendName is both rule and reason of a notification_send task, as the executor has them.
const sendName = "send"

// Occasion is what a rule tells of, and when.
type Occasion struct {
	Facts  executor.Facts
	Reason string
	At     time.Time
	Made   bool // it is a sample
	// History are the numbers of the launch plan's history that decide, in words; of a real execution.
	History []string
}

// Sample makes an execution of which the rule tells, about now. phase is the one it tells of, empty for its
// first; a rule's `if` may be false for it all the same.
func Sample(r Rule, phase string, now time.Time) Occasion {
	s := &sample{now: now.UTC().Truncate(time.Second), ran: 12*time.Minute + 4*time.Second}
	when := r.When
	phase = cmp.Or(phase, first(slices.Concat(when.Phases, when.NodePhases)), "RUNNING")
	if d := when.Deadline; d != nil {
		s.deadline(*d)
	}
	if kind := when.Is(); kind == spec.WhenRunningFor || kind == spec.WhenQueuedFor {
		s.ran = when.For
	}
	s.x = execution(r, s.now)
	switch when.Is() {
	case spec.WhenPhase:
		s.phase(r.Target.Node, phase)
	case spec.WhenQueuedFor:
		s.phase("", "QUEUED")
		s.x.CreatedAt = s.now.Add(-when.For)
	case spec.WhenNode:
		s.phase("", "RUNNING")
		node := s.node(when.NodeID, phase)
		s.facts.Nodes = map[string]flyte.Node{when.NodeID: node}
	default:
		s.phase(r.Target.Node, "RUNNING")
	}
	s.inside(r)
	s.facts.Execution, s.facts.Inputs = s.x, r.inputs()
	return Occasion{Facts: s.facts, Reason: s.reason(r), At: s.now, Made: true}
}

// sample is an execution that is being made.
type sample struct {
	now   time.Time
	ran   time.Duration // until now
	x     flyte.Execution
	facts executor.Facts
}

// execution is one that the rule is about, before it has done anything.
func execution(r Rule, now time.Time) flyte.Execution {
	scope := flyte.Scope{
		Project: cmp.Or(r.Target.Project, like(r.Match.Project, "flytesnacks")),
		Domain:  cmp.Or(r.Target.Domain, like(r.Match.Domain, "production")),
	}
	x := flyte.Execution{
		ID:       flyte.ExecutionID{Scope: scope, Name: cmp.Or(r.Target.Name, "f8d3a1")},
		Workflow: like(r.Match.Workflow, "churn.workflows.train"), WorkflowVersion: "v7",
		User: like(r.Match.User, "ada@example.org"), Labels: map[string]string{"team": "ml"},
		Trigger: cmp.Or(r.Match.Trigger, spec.TriggerManual), CreatedAt: now,
	}
	x.LaunchPlan = like(r.Match.LaunchPlan, x.Workflow)
	wanted := r.wanted()
	for _, label := range r.labels() {
		x.Labels[label] = cmp.Or(wanted[label], like(r.Match.Labels[label], value(label)))
	}
	x.ConsoleURL = fmt.Sprintf("https://flyte.example.org/console/projects/%s/domains/%s/executions/%s", scope.Project, scope.Domain, x.ID.Name)
	return x
}

// like is a text that the pattern matches: the usual one if it does.
func like(pattern, usual string) string {
	if pattern == "" {
		return usual
	}
	if ok, err := path.Match(pattern, usual); err == nil && ok {
		return usual
	}
	return strings.NewReplacer("*", "example", "?", "x", "[", "", "]", "", `\`, "").Replace(pattern)
}

// deadline puts now at a deadline, and the start well before it.
func (s *sample) deadline(d spec.Deadline) {
	s.ran = time.Hour
	switch {
	case d.In != nil:
		s.ran = *d.In
	case d.Daily != nil:
		s.now = d.Daily.After(s.now)
	default:
		s.now = d.At
	}
}

// phase puts the execution into a phase, or its node while it runs itself.
func (s *sample) phase(node, phase string) {
	own := phase
	if node != "" {
		own = "RUNNING"
		defer func() { n := s.node(node, phase); s.facts.Node = &n }()
	}
	s.x.Phase, s.x.CreatedAt = own, s.now.Add(-s.ran-20*time.Second)
	if own == "QUEUED" || own == "UNDEFINED" {
		return
	}
	s.x.StartedAt = s.now.Add(-s.ran)
	s.x.Error = failure(own)
	if s.x.Error.Kind == "USER" {
		s.x.FailedNode = "n1"
	}
	if flyte.Terminal(own) {
		s.x.EndedAt, s.x.Duration = s.now, s.ran
	}
}

// node is a node in a phase, that started a while after its execution.
func (s *sample) node(id, phase string) flyte.Node {
	n := flyte.Node{ID: id, Phase: phase, CreatedAt: s.x.StartedAt.Add(s.ran / 8), Error: failure(phase)}
	if phase != "QUEUED" && phase != "UNDEFINED" && phase != "SKIPPED" {
		n.StartedAt = s.x.StartedAt.Add(s.ran / 4)
	}
	if s.facts.Node == nil && s.x.Phase == "RUNNING" && flyte.NodeTerminal(phase) {
		n.EndedAt = s.now
	}
	return n
}

// failure is why something is in a phase, if that means failure.
func failure(phase string) flyte.ExecutionError {
	switch phase {
	case "FAILED", "FAILING":
		return flyte.ExecutionError{
			Kind: "USER", Code: "USER:ValueError",
			Message: "Traceback (most recent call last):\n\n  File \"/root/train.py\", line 41, in fit\n    model.fit(x, y)\n\nMessage:\n\n    ValueError: the data set has no rows",
		}
	case "ABORTED", "ABORTING":
		return flyte.ExecutionError{Kind: "ABORTED", Message: "started with the wrong data set"}
	case "TIMED_OUT":
		return flyte.ExecutionError{Kind: "SYSTEM", Code: "TimedOut", Message: "the timeout has expired"}
	}
	return flyte.ExecutionError{}
}

// inside adds what no list of executions tells.
func (s *sample) inside(r Rule) {
	switch r.When.Is() {
	case spec.WhenGate:
		s.facts.Gates = []flyte.Gate{{Signal: "approve-release", Type: "boolean", Node: "n2", Approval: true}}
	case spec.WhenBeforeTimeout:
		limit := max(4*r.When.For, time.Hour)
		started := s.now.Add(r.When.For - limit)
		s.x.CreatedAt, s.x.StartedAt = started.Add(-time.Minute), started.Add(-30*time.Second)
		node := flyte.Node{ID: cmp.Or(r.Target.Node, "n1"), Phase: "RUNNING", CreatedAt: started, StartedAt: started, Timeout: limit}
		s.facts.Running = []flyte.Node{node}
		if s.facts.Node != nil {
			s.facts.Node = &node
		}
	}
}

// reason is why the rule tells of the sample.
func (s *sample) reason(r Rule) string {
	if r.Now {
		return sendName
	}
	rule := r.Rule
	rule.If = nil
	if told, err := executor.Evaluate(s.facts, rule, s.now); err == nil && len(told) > 0 {
		return told[0].Reason
	}
	return s.history(rule)
}

// history makes executions of the launch plan before this one, of which the newest makes the rule fire.
func (s *sample) history(r spec.Rule) string {
	one := []spec.Rule{r}
	success := executor.End{At: s.now.Add(-48 * time.Hour)}
	series := executor.Series{Born: s.now.Add(-30 * 24 * time.Hour), Last: []executor.End{success}, LastSuccess: success.At}
	fail := func(n int) {
		at := s.now.Add(-3 * time.Hour)
		series.Last = append(series.Last, slices.Repeat([]executor.End{{At: at, Failed: true}}, n)...)
		series.Failures, series.FailedSince = n, at
	}
	phase := "FAILED"
	var told []executor.Occurrence
	switch r.When.Is() {
	case spec.WhenNoSuccessFor:
		series.LastSuccess = s.now.Add(-r.When.For)
		_, told, _ = series.Silent(one, s.now)
	case spec.WhenRecovered:
		fail(3)
		phase = "SUCCEEDED"
	case spec.WhenFailureRate:
		fail(r.When.Rate.AtLeast - 1)
	}
	s.phase("", phase)
	s.facts.Execution = s.x
	if len(told) == 0 {
		before := series
		series, told = series.Ended(s.x, one)
		s.facts.History = series.History(before)
	}
	if len(told) == 0 {
		return string(r.When.Is())
	}
	return told[0].Reason
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

func list(all []string) string { return strings.Join(all, ", ") }

// Real is the occasion of a rule for an execution that there is. Where its condition does not hold, it is told
// for the reason of a sample.
func Real(r Rule, f executor.Facts, phase string, now time.Time) Occasion {
	now = now.UTC().Truncate(time.Second)
	rule := r.Rule
	rule.If = nil
	if told, err := executor.Evaluate(f, rule, now); err == nil && len(told) > 0 {
		return Occasion{Facts: f, Reason: told[0].Reason, At: now}
	}
	made := Sample(r, phase, now)
	return Occasion{Facts: f, Reason: made.Reason, At: now}
}
