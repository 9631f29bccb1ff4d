package executor_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// begin is when executions of these tests are created and started.
var begin = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func running(phase string) executor.Facts {
	f := executor.Facts{Execution: flyte.Execution{ID: id("f1"), Phase: phase, CreatedAt: begin}}
	if phase != "QUEUED" {
		f.Execution.StartedAt = begin
	}
	return f
}

// telling is a rule that reminds each minute and tells others after 90 seconds.
func telling(w spec.When, most int) spec.Rule {
	return spec.Rule{
		Name: "r", When: w, Repeat: &spec.Repeat{Every: time.Minute, Max: most},
		Escalate: []spec.Escalation{{After: 90 * time.Second}},
	}
}

// look is a call of Advance at a time after begin, and what it comes to.
type look struct {
	at         time.Duration
	phase      string
	told       []executor.Occurrence
	superseded []executor.Occurrence
	due        time.Duration // zero: never
	ack        bool          // somebody acknowledges before
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	run := spec.When{Kind: spec.WhenRunningFor, For: time.Minute}
	failed := spec.When{Phases: []string{"FAILED"}}
	o := func(reason string, count, skipped, escalation int) executor.Occurrence {
		return executor.Occurrence{Rule: "r", Reason: reason, Count: count, Skipped: skipped, Escalation: escalation}
	}
	const runs, fails = "running_for:1m0s", "phase:FAILED"
	for name, test := range map[string]struct {
		rule  spec.Rule
		looks []look
	}{
		"told once, though the phase comes back": {spec.Rule{Name: "r", When: failed}, []look{
			{at: 0, phase: "RUNNING"},
			{at: time.Second, phase: "FAILED", told: []executor.Occurrence{o(fails, 0, 0, 0)}},
			{at: 2 * time.Second, phase: "RUNNING"},
			{at: 3 * time.Second, phase: "FAILED"},
		}},
		"a time is waited for": {spec.Rule{Name: "r", When: run}, []look{
			{at: 0, phase: "QUEUED"},
			{at: time.Second, phase: "RUNNING", due: time.Minute},
			{at: time.Minute, phase: "RUNNING", told: []executor.Occurrence{o(runs, 0, 0, 0)}},
			{at: 2 * time.Minute, phase: "RUNNING"},
		}},
		"what ended meanwhile is not told": {spec.Rule{Name: "r", When: run}, []look{
			{at: 0, phase: "RUNNING", due: time.Minute},
			{at: time.Hour, phase: "SUCCEEDED"},
		}},
		"reminders and whom else to tell": {telling(run, 0), []look{
			{at: time.Minute, phase: "RUNNING", told: []executor.Occurrence{o(runs, 0, 0, 0)}, due: 2 * time.Minute},
			{at: 2 * time.Minute, phase: "RUNNING", told: []executor.Occurrence{o(runs, 1, 0, 0)}, due: 150 * time.Second},
			{at: 150 * time.Second, phase: "RUNNING", told: []executor.Occurrence{o(runs, 0, 0, 1)}, due: 3 * time.Minute},
			{
				at: 190 * time.Second, phase: "RUNNING", told: []executor.Occurrence{o(runs, 2, 0, 0)},
				superseded: []executor.Occurrence{o(runs, 1, 0, 0)}, due: 4 * time.Minute,
			},
			{at: 4 * time.Minute, phase: "SUCCEEDED", superseded: []executor.Occurrence{o(runs, 2, 0, 0), o(runs, 0, 0, 1)}},
			{at: 9 * time.Minute, phase: "RUNNING"},
		}},
		"missed reminders are one": {telling(run, 0), []look{
			{at: time.Minute, phase: "RUNNING", told: []executor.Occurrence{o(runs, 0, 0, 0)}, due: 2 * time.Minute},
			{at: 5*time.Minute + time.Second, phase: "RUNNING", told: []executor.Occurrence{o(runs, 1, 3, 0), o(runs, 0, 0, 1)}, due: 6 * time.Minute},
		}},
		"so many and no more": {telling(failed, 2), []look{
			{at: 0, phase: "FAILED", told: []executor.Occurrence{o(fails, 0, 0, 0)}, due: time.Minute},
			{at: time.Minute, phase: "FAILED", told: []executor.Occurrence{o(fails, 1, 0, 0)}, due: 90 * time.Second},
			{
				at: 2 * time.Minute, phase: "FAILED", told: []executor.Occurrence{o(fails, 2, 0, 0), o(fails, 0, 0, 1)},
				superseded: []executor.Occurrence{o(fails, 1, 0, 0)},
			},
			{at: 3 * time.Minute, phase: "FAILED"},
		}},
		"acknowledged": {telling(failed, 9), []look{
			{at: 0, phase: "FAILED", told: []executor.Occurrence{o(fails, 0, 0, 0)}, due: time.Minute},
			{at: time.Minute, phase: "FAILED", told: []executor.Occurrence{o(fails, 1, 0, 0)}, due: 90 * time.Second},
			{at: 70 * time.Second, phase: "FAILED", ack: true, superseded: []executor.Occurrence{o(fails, 1, 0, 0)}},
			{at: time.Hour, phase: "FAILED"},
		}},
		"a clock that was wrong for a while": {telling(run, 0), []look{
			{at: 1000 * time.Hour, phase: "RUNNING", told: []executor.Occurrence{o(runs, 0, 0, 0)}, due: 1000*time.Hour + time.Minute},
			{at: 2 * time.Minute, phase: "RUNNING", due: 3 * time.Minute},
			{at: 3 * time.Minute, phase: "RUNNING", told: []executor.Occurrence{o(runs, 1, 0, 0)}, due: 4 * time.Minute},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p executor.Progress
			for _, l := range test.looks {
				p = stored(t, p)
				if l.ack {
					p.Acknowledge(begin.Add(l.at))
				}
				got := executor.Advance(running(l.phase), []spec.Rule{test.rule}, p, begin.Add(l.at))
				require.Empty(t, got.Errors)
				require.Equal(t, l.told, got.Occurrences, "told at %s", l.at)
				require.Equal(t, l.superseded, got.Superseded, "superseded at %s", l.at)
				want := time.Time{}
				if l.due > 0 {
					want = begin.Add(l.due)
				}
				require.Equal(t, want, got.Due, "due after %s", l.at)
				p = got.Progress
			}
		})
	}
}

// stored is progress as the store gives it back.
func stored(t require.TestingT, p executor.Progress) executor.Progress {
	raw, err := json.Marshal(p)
	require.NoError(t, err)
	var back executor.Progress
	require.NoError(t, json.Unmarshal(raw, &back))
	return back
}

func TestAdvanceJudgesEveryRule(t *testing.T) {
	t.Parallel()
	bad, err := spec.Compile("inputs.nope.x == 1")
	require.NoError(t, err)
	failed := spec.When{Phases: []string{"FAILED"}}
	got := executor.Advance(running("FAILED"), []spec.Rule{{Name: "bad", When: failed, If: bad}, {Name: "good", When: failed}}, nil, begin)
	require.Len(t, got.Errors, 1)
	require.ErrorContains(t, got.Errors[0], "evaluate if of rule bad")
	require.Equal(t, []executor.Occurrence{{Rule: "good", Reason: "phase:FAILED"}}, got.Occurrences)
}

// world draws a life and looks at it, as servers that die and clocks that jump would.
func TestNothingIsToldTwiceAndNothingIsLost(t *testing.T) {
	t.Parallel()
	rules := []spec.Rule{
		telling(spec.When{Phases: []string{"RUNNING", "FAILED"}}, 3),
		{Name: "long", When: spec.When{Kind: spec.WhenRunningFor, For: 5 * time.Minute}},
		{Name: "queue", When: spec.When{Kind: spec.WhenQueuedFor, For: 2 * time.Minute}, Repeat: &spec.Repeat{Every: time.Minute}},
	}
	rapid.Check(t, func(t *rapid.T) {
		var p executor.Progress
		told := map[executor.Occurrence]bool{}
		held := map[[2]string]bool{} // what some look that was stored found true
		now := begin
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(-300, 600).Draw(t, "seconds")) * time.Second)
			f := running(rapid.SampledFrom([]string{"QUEUED", "RUNNING", "FAILING", "FAILED", "SUCCEEDED"}).Draw(t, "phase"))
			got := executor.Advance(f, rules, stored(t, p), now)
			require.Equal(t, got, executor.Advance(f, rules, stored(t, p), now), "it is pure")
			if rapid.Bool().Draw(t, "killed before the write") {
				continue
			}
			for _, r := range rules {
				all, err := executor.Evaluate(f, r, now)
				require.NoError(t, err)
				for _, o := range all {
					held[[2]string{o.Rule, o.Reason}] = true
				}
			}
			for _, o := range got.Occurrences {
				o.Skipped = 0
				require.False(t, told[o], "twice: %+v", o)
				told[o] = true
				require.LessOrEqual(t, o.Count, 600)
			}
			if !got.Due.IsZero() {
				require.True(t, got.Due.After(now), "a time to come")
			}
			p = got.Progress
		}
		for h := range held {
			require.True(t, told[executor.Occurrence{Rule: h[0], Reason: h[1]}], "lost: %v", h)
		}
		for o := range told {
			require.True(t, held[[2]string{o.Rule, o.Reason}], "made up: %+v", o)
			require.True(t, o.Count == 0 || told[executor.Occurrence{Rule: o.Rule, Reason: o.Reason, Count: o.Count - 1}], "out of order: %+v", o)
			require.True(t, o.Rule != "r" || o.Count <= 3, "too many: %+v", o)
		}
	})
}
