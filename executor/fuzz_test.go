package executor_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// fuzzed are arguments of Advance as the fuzzer writes them.
type fuzzed struct {
	Facts executor.Facts    `json:"facts"`
	Rules []spec.Rule       `json:"rules"`
	Told  executor.Progress `json:"told"`
	After []int32           `json:"after"` // seconds from one look to the next; a clock may be set back
}

// begins are inputs to start from: one of each kind of condition.
func begins(f *testing.F) {
	f.Helper()
	in := 2 * time.Hour
	daily := &spec.Daily{}
	require.NoError(f, daily.UnmarshalText([]byte("06:00 Europe/Paris")))
	facts := running("RUNNING")
	rules := []spec.Rule{
		telling(spec.When{Phases: []string{"RUNNING", "FAILED"}}, 3),
		{Name: "edited", When: runningFor(time.Hour), Escalate: []spec.Escalation{{After: time.Minute}}},
		{Name: "long", When: runningFor(time.Minute), Repeat: &spec.Repeat{Every: time.Second}},
		{Name: "queue", When: spec.When{Kind: spec.WhenQueuedFor, For: time.Minute}},
		{Name: "late", When: spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{In: &in}}},
		{Name: "at", When: spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{At: begin}}},
		{Name: "daily", When: spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{Daily: daily}}},
		{Name: "gate", When: spec.When{Kind: spec.WhenGate}},
		{Name: "node", When: spec.When{Kind: spec.WhenNode, NodeID: "n1", NodePhases: []string{"FAILED"}}},
		{Name: "limit", When: spec.When{Kind: spec.WhenBeforeTimeout, For: time.Minute}},
		{Name: "first", When: spec.When{Kind: spec.WhenFirstFailure}},
		{Name: "rate", When: spec.When{Kind: spec.WhenFailureRate, Rate: &spec.Rate{Of: 3, AtLeast: 2}}},
		{Name: "silent", When: spec.When{Kind: spec.WhenNoSuccessFor, For: time.Minute}},
	}
	for _, r := range rules {
		raw, err := json.Marshal(fuzzed{
			Facts: facts, Rules: []spec.Rule{r}, After: []int32{0, 60, 1, 3600, -60},
			Told: executor.Progress{r.Name + "|phase:RUNNING": {At: begin, Next: begin.Add(time.Minute), Count: 1}, r.Name + "|x": {Escalated: 3}},
		})
		require.NoError(f, err)
		f.Add(raw)
	}
}

// FuzzAdvance gives Advance facts, rules and progress that nobody checked: a store may hold anything.
func FuzzAdvance(f *testing.F) {
	begins(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var in fuzzed
		if json.Unmarshal(raw, &in) != nil || len(in.Rules) > 20 || len(in.After) > 50 || !valid(in.Rules) || !likely(in.Told) {
			return
		}
		told := map[executor.Occurrence]bool{}
		now, p := begin, in.Told
		for _, after := range in.After {
			now = now.Add(time.Duration(after) * time.Second)
			p = stored(t, p)
			before := stored(t, p)
			got := executor.Advance(in.Facts, in.Rules, p, now)
			require.Equal(t, before, p, "it changes no argument")
			require.Equal(t, plain(got), plain(executor.Advance(in.Facts, in.Rules, p, now)), "it is pure")
			if !got.Due.IsZero() {
				require.True(t, got.Due.After(now), "a time to come, not %s at %s", got.Due, now)
			}
			for _, o := range got.Occurrences {
				o.Skipped = 0
				inSpec(t, in.Rules, o)
				require.False(t, told[o], "twice: %+v", o)
				told[o] = true
			}
			for _, o := range got.Superseded {
				inSpec(t, in.Rules, o)
			}
			p = got.Progress
		}
	})
}

// plain is what can be compared: of errors their number.
func plain(a executor.Advanced) executor.Advanced {
	a.Errors = make([]error, len(a.Errors))
	return a
}

// inSpec fails for an occurrence that no entry of its rule is of.
func inSpec(t *testing.T, rules []spec.Rule, o executor.Occurrence) {
	i := slices.IndexFunc(rules, func(r spec.Rule) bool { return r.Name == o.Rule })
	require.GreaterOrEqual(t, i, 0, "rule of %+v", o)
	require.GreaterOrEqual(t, o.Count, 0, "%+v", o)
	require.LessOrEqual(t, o.Escalation, len(rules[i].Escalate), "%+v", o)
}

// valid says whether rules are such as a spec comes to, whatever their times and names.
func valid(rules []spec.Rule) bool {
	names := map[string]bool{}
	for _, r := range rules {
		w := r.When
		switch {
		case names[r.Name], strings.Contains(r.Name, "|"), r.Repeat != nil && r.Repeat.Every <= 0:
			return false
		case w.Is() == spec.WhenDeadline && w.Deadline == nil, w.Is() == spec.WhenFailureRate && w.Rate == nil:
			return false
		}
		names[r.Name] = true
	}
	return true
}

// likely says whether so much can have been told, by these rules or those that were there before an edit.
func likely(told executor.Progress) bool {
	for _, t := range told {
		if t.Count < 0 || t.Count > 1e4 || t.Escalated < 0 || t.Escalated > 1e4 {
			return false
		}
	}
	return true
}
