package executor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// TestAWindowDoesNotGrowWhileLooksFail: a look that fails halfway leaves what was known before it known.
func TestAWindowDoesNotGrowWhileLooksFail(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		b.subscribe(to("failures", onPhases("failed", "FAILED")))
		b.pass(20 * time.Minute)
		for i := range 1200 { // more than two pages, of the last eight minutes
			b.admin.set(fmt.Sprint("f", i), "SUCCEEDED", of("nightly"), ends, func(x *flyte.Execution) {
				x.CreatedAt = x.CreatedAt.Add(time.Duration(-i) * 400 * time.Millisecond)
			})
		}
		b.admin.mu.Lock()
		b.admin.flaky = 5
		b.admin.mu.Unlock()
		b.pass(10 * time.Minute)
		b.admin.mu.Lock()
		defer b.admin.mu.Unlock()
		require.Greater(t, b.admin.asked, 20*time.Minute)
		require.LessOrEqual(t, b.admin.asked, 31*time.Minute, "an outage of ten minutes, two sweeps, and what flyteadmin's clock may be ahead")
	})
}

// TestManySilentScopesDelayNoOther: once they were silent they do not take the turns of those that answer.
func TestManySilentScopesDelayNoOther(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.mu.Lock()
		b.admin.mute = map[flyte.Scope]bool{}
		for i := range 60 {
			s := flyte.Scope{Project: fmt.Sprint("m", i), Domain: "production"}
			b.admin.projects = append(b.admin.projects, flyte.Project{ID: s.Project, Domains: []string{s.Domain}})
			b.admin.mute[s] = true
		}
		b.admin.mu.Unlock()
		b.subscribe(spec.Subscription{
			Name: "all", CatchUp: spec.CatchUpSend, Match: spec.Match{Project: "m*"}, Rules: []spec.Rule{onPhases("failed", "FAILED")},
		})
		b.pass(time.Minute) // each is silent for the first time
		for i := range 10 {
			b.admin.set(fmt.Sprint("f", i), "FAILED", of("nightly"), ends)
			b.rounds(2) // a scope that was quiet for a minute may pass one by
			require.Len(t, b.all(), i+1)
		}
	})
}
