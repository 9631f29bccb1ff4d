package executor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// in is an execution in a phase: created 70 minutes ago, started an hour ago, and perhaps ended just now.
func in(phase string) executor.Facts {
	f := facts()
	f.Execution.Phase, f.Execution.CreatedAt = phase, now.Add(-70*time.Minute)
	f.Execution.StartedAt = now.Add(-time.Hour)
	if phase == "QUEUED" {
		f.Execution.StartedAt = time.Time{}
	}
	if flyte.Terminal(phase) {
		f.Execution.EndedAt = now
	}
	return f
}

func with(f executor.Facts, change func(*executor.Facts)) executor.Facts {
	change(&f)
	return f
}

func TestExplain(t *testing.T) {
	t.Parallel()
	two, six, half := 2*time.Hour, 6*time.Hour, 30*time.Minute
	failed := spec.When{Phases: []string{"FAILED", "TIMED_OUT", "ABORTED"}}
	queue := spec.When{Kind: spec.WhenQueuedFor, For: two}
	gate := spec.When{Kind: spec.WhenGate}
	node := spec.When{Kind: spec.WhenNode, NodeID: "n2", NodePhases: []string{"FAILED"}}
	limit := spec.When{Kind: spec.WhenBeforeTimeout, For: 10 * time.Minute}
	deadline := func(d time.Duration) spec.When {
		return spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{In: &d}}
	}
	approval := func(f *executor.Facts) {
		f.Gates = []flyte.Gate{{Signal: "ship", Type: "boolean", Node: "n1", Approval: true}}
	}
	n2 := func(phase string) func(*executor.Facts) {
		return func(f *executor.Facts) {
			f.Nodes = map[string]flyte.Node{"n2": {ID: "n2", Phase: phase, StartedAt: now.Add(-time.Minute)}}
		}
	}
	timeout := func(d time.Duration) func(*executor.Facts) {
		return func(f *executor.Facts) {
			f.Running = []flyte.Node{{ID: "n0", Phase: "RUNNING"}, {ID: "n1", CreatedAt: now.Add(-time.Hour), StartedAt: now.Add(-time.Hour), Timeout: d}}
		}
	}
	for name, tc := range map[string]struct {
		facts   executor.Facts
		when    spec.When
		verdict executor.Verdict
		at      time.Duration // from now; 0: none
		why     string
	}{
		"phase holds":       {in("FAILED"), failed, executor.VerdictFires, 0, "the execution is FAILED since 2026-11-22T03:00:00Z"},
		"phase may come":    {in("RUNNING"), failed, executor.VerdictWaits, 0, "the execution is RUNNING since 2026-11-22T02:00:00Z, not FAILED, TIMED_OUT or ABORTED: fires when it enters one of them"},
		"one phase":         {in("QUEUED"), spec.When{Phases: []string{"FAILED"}}, executor.VerdictWaits, 0, "the execution is QUEUED, not FAILED: fires when it enters that"},
		"phase is past":     {in("SUCCEEDED"), failed, executor.VerdictOver, 0, "the execution is SUCCEEDED since 2026-11-22T03:00:00Z, not FAILED, TIMED_OUT or ABORTED, and has ended"},
		"runs":              {in("RUNNING"), runningFor(two), executor.VerdictWaits, time.Hour, "started 2026-11-22T02:00:00Z, runs for 1h0m0s, fires in 1h0m0s at 2026-11-22T04:00:00Z unless it ends before"},
		"runs for long":     {in("RUNNING"), runningFor(half), executor.VerdictFires, 0, "started 2026-11-22T02:00:00Z, runs for 1h0m0s, holds for 30m0s since 2026-11-22T02:30:00Z"},
		"ran":               {in("SUCCEEDED"), runningFor(two), executor.VerdictOver, 0, "started 2026-11-22T02:00:00Z, ended as SUCCEEDED after 1h0m0s"},
		"does not run":      {in("QUEUED"), runningFor(two), executor.VerdictWaits, 0, "the execution is QUEUED and has not started: the 2h0m0s count from its start"},
		"never ran":         {with(in("ABORTED"), func(f *executor.Facts) { f.Execution.StartedAt = time.Time{} }), runningFor(two), executor.VerdictOver, 0, "the execution ended as ABORTED without a start"},
		"is queued":         {in("QUEUED"), queue, executor.VerdictWaits, 50 * time.Minute, "created 2026-11-22T01:50:00Z, is QUEUED for 1h10m0s, fires in 50m0s at 2026-11-22T03:50:00Z unless it starts before"},
		"was queued":        {in("RUNNING"), queue, executor.VerdictOver, 0, "created 2026-11-22T01:50:00Z, started 2026-11-22T02:00:00Z after 10m0s"},
		"deadline is far":   {in("RUNNING"), deadline(six), executor.VerdictWaits, 5 * time.Hour, "is RUNNING, the deadline is 2026-11-22T08:00:00Z: fires in 5h0m0s at 2026-11-22T08:00:00Z unless it ends before"},
		"deadline missed":   {in("RUNNING"), deadline(half), executor.VerdictFires, 0, "is RUNNING, the deadline is 2026-11-22T02:30:00Z: holds for 30m0s since 2026-11-22T02:30:00Z"},
		"deadline met":      {in("SUCCEEDED"), deadline(two), executor.VerdictOver, 0, "ended as SUCCEEDED at 2026-11-22T03:00:00Z, 1h0m0s before the deadline at 2026-11-22T04:00:00Z"},
		"deadline too late": {in("SUCCEEDED"), deadline(half), executor.VerdictOver, 0, "ended as SUCCEEDED at 2026-11-22T03:00:00Z, 30m0s after the deadline at 2026-11-22T02:30:00Z"},
		"deadline later":    {in("QUEUED"), deadline(two), executor.VerdictWaits, 0, "the execution is QUEUED and has not started: the deadline is 2h0m0s after its start"},
		"gate":              {with(in("RUNNING"), approval), gate, executor.VerdictFires, 0, `waits for approval: "ship" (node n1)`},
		"signal":            {with(in("RUNNING"), func(f *executor.Facts) { f.Gates = []flyte.Gate{{Signal: "rows", Type: "integer"}} }), gate, executor.VerdictFires, 0, `waits for the integer signal "rows"`},
		"no gate":           {in("RUNNING"), gate, executor.VerdictWaits, 0, "the execution is RUNNING and waits for no gate now"},
		"gate of an ended":  {with(in("ABORTED"), approval), gate, executor.VerdictOver, 0, "the execution is ABORTED since 2026-11-22T03:00:00Z: it waits for nothing"},
		"node":              {with(in("RUNNING"), n2("FAILED")), node, executor.VerdictFires, 0, "node n2 is FAILED"},
		"other node phase":  {with(in("RUNNING"), n2("RUNNING")), node, executor.VerdictWaits, 0, "node n2 is RUNNING since 2026-11-22T02:59:00Z, not FAILED: fires when it enters that"},
		"no node":           {in("RUNNING"), node, executor.VerdictWaits, 0, "node n2 has not started: fires when it is FAILED"},
		"node never":        {in("SUCCEEDED"), node, executor.VerdictOver, 0, "node n2 has not started, and the execution has ended as SUCCEEDED"},
		"limit":             {with(in("RUNNING"), timeout(two)), limit, executor.VerdictWaits, 50 * time.Minute, "node n1 has a timeout of 2h0m0s and reaches it 2026-11-22T04:00:00Z: fires in 50m0s at 2026-11-22T03:50:00Z unless it ends before"},
		"limit is near":     {with(in("RUNNING"), timeout(65*time.Minute)), limit, executor.VerdictFires, 0, "node n1 has a timeout of 1h5m0s and reaches it 2026-11-22T03:05:00Z: holds for 5m0s since 2026-11-22T02:55:00Z"},
		"no limit":          {in("RUNNING"), limit, executor.VerdictWaits, 0, "none of its 0 running nodes has a timeout"},
		"limit past":        {with(in("FAILED"), timeout(two)), limit, executor.VerdictOver, 0, "the execution is FAILED since 2026-11-22T03:00:00Z: no limit counts any more"},
		"watched node":      {node2("RUNNING"), failed, executor.VerdictWaits, 0, "node n2 is RUNNING since 2026-11-22T02:59:00Z, not FAILED, TIMED_OUT or ABORTED: fires when it enters one of them"},
		"first_failure":     {in("FAILED"), spec.When{Kind: spec.WhenFirstFailure}, executor.VerdictHistory, 0, "the execution is FAILED since 2026-11-22T03:00:00Z: fires when it fails and the one before of launch plan nightly did not"},
		"recovered":         {in("RUNNING"), spec.When{Kind: spec.WhenRecovered}, executor.VerdictHistory, 0, "the execution is RUNNING since 2026-11-22T02:00:00Z: fires when it succeeds and the one before of launch plan nightly failed"},
		"no_success_for":    {in("RUNNING"), spec.When{Kind: spec.WhenNoSuccessFor, For: two}, executor.VerdictHistory, 0, "fires when no execution of launch plan nightly has succeeded for 2h0m0s"},
		"failure_rate":      {in("FAILED"), spec.When{Kind: spec.WhenFailureRate, Rate: &spec.Rate{Of: 20, AtLeast: 5}}, executor.VerdictHistory, 0, "the execution is FAILED since 2026-11-22T03:00:00Z: fires when it fails and 5 of the last 20 of launch plan nightly did"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := executor.Explain(tc.facts, spec.Rule{Name: "r", When: tc.when}, nil, now)
			require.Equal(t, tc.verdict, got.Verdict)
			require.Equal(t, []string{tc.why}, got.Why)
			require.Empty(t, got.Told)
			require.True(t, strings.HasPrefix(got.When, string(tc.when.Is())+": "), got.When)
			if tc.at == 0 {
				require.Zero(t, got.At)
				return
			}
			require.Equal(t, now.Add(tc.at), got.At)
		})
	}
}

// node2 is a watched node that runs while its execution does.
func node2(phase string) executor.Facts {
	f := in("RUNNING")
	f.Node = &flyte.Node{ID: "n2", Phase: phase, StartedAt: now.Add(-time.Minute)}
	return f
}

func TestExplainAnIf(t *testing.T) {
	t.Parallel()
	for text, tc := range map[string]struct {
		verdict executor.Verdict
		values  []spec.Value
		err     string
	}{
		`labels["team"] == "ml"`:                             {executor.VerdictFires, []spec.Value{{Name: `labels["team"]`, Value: "ml"}}, ""},
		`elapsed < duration("1m") || error.kind == "SYSTEM"`: {executor.VerdictFiltered, []spec.Value{{Name: "elapsed", Value: time.Hour}, {Name: "error.kind", Value: "USER"}}, ""},
		`inputs.gone.x == 1`:                                 {executor.VerdictFails, []spec.Value{{Name: "inputs.gone.x"}}, "cannot"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			condition, err := spec.Compile(text)
			require.NoError(t, err)
			r := spec.Rule{Name: "r", When: spec.When{Phases: []string{"FAILED"}}, If: condition}
			got := executor.Explain(in("FAILED"), r, nil, now)
			require.Equal(t, tc.verdict, got.Verdict)
			require.Equal(t, tc.verdict == executor.VerdictFires, got.If.Holds)
			require.Equal(t, tc.values, got.If.Values)
			require.Contains(t, got.If.Error, tc.err)
			require.Equal(t, executor.VerdictWaits, executor.Explain(in("RUNNING"), r, nil, now).Verdict, "an if alone decides nothing")
		})
	}
}

func TestExplainWhatWasTold(t *testing.T) {
	t.Parallel()
	r := when("r", spec.When{Phases: []string{"FAILED"}}, every(time.Hour, 5), func(r *spec.Rule) {
		r.Escalate = []spec.Escalation{{After: 30 * time.Minute}, {After: 3 * time.Hour}}
	})
	first := executor.ToldMessage{Reason: "phase:FAILED", At: now.Add(-2 * time.Hour), Reminders: 1, Escalations: 1, Holds: true}
	told := executor.Told{At: first.At, Count: 1, Next: now.Add(10 * time.Minute), Escalated: 1}
	for name, tc := range map[string]struct {
		facts executor.Facts
		told  func(executor.Told) executor.Told
		want  func(executor.ToldMessage) executor.ToldMessage
	}{
		"goes on": {in("FAILED"), func(t executor.Told) executor.Told { return t }, func(m executor.ToldMessage) executor.ToldMessage {
			m.Next, m.MostReminders, m.NextEscalation = now.Add(10*time.Minute), 5, now.Add(time.Hour)
			return m
		}},
		"a clock was set back": {in("FAILED"), func(t executor.Told) executor.Told {
			t.Next = now.Add(10 * time.Hour)
			return t
		}, func(m executor.ToldMessage) executor.ToldMessage {
			m.Next, m.MostReminders, m.NextEscalation = now.Add(time.Hour), 5, now.Add(time.Hour)
			return m
		}},
		"acknowledged": {in("FAILED"), func(t executor.Told) executor.Told {
			t.Acknowledged, t.By = now, "ada"
			return t
		}, func(m executor.ToldMessage) executor.ToldMessage {
			m.Acknowledged, m.By = now, "ada"
			return m
		}},
		"over": {in("FAILED"), func(t executor.Told) executor.Told {
			t.Over = true
			return t
		}, func(m executor.ToldMessage) executor.ToldMessage { return m }},
		"does not hold": {in("SUCCEEDED"), func(t executor.Told) executor.Told { return t }, func(m executor.ToldMessage) executor.ToldMessage {
			m.Holds = false
			return m
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			progress := executor.Progress{"r|phase:FAILED": tc.told(told), "other|phase:FAILED": {At: now}}
			got := executor.Explain(tc.facts, r, progress, now)
			require.Equal(t, executor.VerdictTells, got.Verdict)
			require.Equal(t, []executor.ToldMessage{tc.want(first)}, got.Told)
		})
	}
}

func TestExplainWhatWaitsOrIsNotToBeTold(t *testing.T) {
	t.Parallel()
	r := onPhases("r")
	r.When = spec.When{Phases: []string{"FAILED"}}
	got := executor.Explain(in("FAILED"), r, executor.Progress{"r|phase:FAILED": {}}, now)
	require.Equal(t, executor.VerdictFires, got.Verdict)
	require.Empty(t, got.Told)
	got = executor.Explain(in("FAILED"), r, executor.Progress{"r|phase:FAILED": {Over: true}}, now)
	require.Equal(t, executor.VerdictTells, got.Verdict)
	require.Equal(t, []executor.ToldMessage{{Reason: "phase:FAILED", Holds: true}}, got.Told)
}

// What explain says of a rule is what the server does.
func TestExplainAgreesWithAdvance(t *testing.T) {
	t.Parallel()
	two := 2 * time.Hour
	whens := []spec.When{
		{Phases: []string{"RUNNING", "FAILED"}},
		runningFor(time.Hour),
		{Kind: spec.WhenQueuedFor, For: 65 * time.Minute},
		{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{In: &two}},
		{Kind: spec.WhenGate},
		{Kind: spec.WhenNode, NodeID: "n2", NodePhases: []string{"FAILED"}},
		{Kind: spec.WhenBeforeTimeout, For: time.Hour},
	}
	rapid.Check(t, func(t *rapid.T) {
		r := spec.Rule{Name: "r", When: rapid.SampledFrom(whens).Draw(t, "when")}
		if rapid.Bool().Draw(t, "repeat") {
			r.Repeat = &spec.Repeat{Every: 20 * time.Minute, Max: rapid.IntRange(0, 3).Draw(t, "max")}
		}
		if rapid.Bool().Draw(t, "if") {
			condition, err := spec.Compile(`elapsed > duration("90m") || phase == "QUEUED"`)
			require.NoError(t, err)
			r.If = condition
		}
		progress := executor.Progress(nil)
		at := now
		for range rapid.IntRange(1, 6).Draw(t, "looks") {
			at = at.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
			f := in(rapid.SampledFrom([]string{"QUEUED", "RUNNING", "FAILED", "SUCCEEDED"}).Draw(t, "phase"))
			if rapid.Bool().Draw(t, "inside") {
				f.Gates = []flyte.Gate{{Signal: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "signal")}}
				f.Nodes = map[string]flyte.Node{"n2": {ID: "n2", Phase: "FAILED"}}
				f.Running = []flyte.Node{{ID: "n1", CreatedAt: now, StartedAt: now, Timeout: 2 * time.Hour}}
			}
			e := executor.Explain(f, r, progress, at)
			a := executor.Advance(f, []spec.Rule{r}, progress, at)
			first, reminders := 0, 0
			for _, o := range a.Occurrences {
				if o.Count == 0 {
					first++
				} else {
					reminders++
				}
			}
			require.Equal(t, first > 0, e.Verdict == executor.VerdictFires, "%+v", e)
			due := 0
			for _, m := range e.Told {
				if !m.Next.IsZero() && !at.Before(m.Next) {
					due++
				}
			}
			require.Equal(t, reminders, due, "reminders that are due")
			if !e.At.IsZero() {
				require.False(t, a.Due.After(e.At), "a look comes by then")
			}
			progress = a.Progress
		}
	})
}
