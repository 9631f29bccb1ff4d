package executor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// What follows are lives that the soak found to be told wrongly, each by itself.

func silentFor(d time.Duration) spec.Rule {
	return when("silent", spec.When{Kind: spec.WhenNoSuccessFor, For: d})
}

func TestAnExecutionThatBecomesVisibleWhileNobodyLooksIsFound(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("failures", onPhases("failed", "FAILED")))
		created := time.Now().UTC()
		b.pass(30 * time.Second)
		b.stop()
		b.admin.set("f1", "FAILED", of("nightly"), ends, func(x *flyte.Execution) { x.CreatedAt = created })
		b.pass(3 * time.Hour)
		b.start()
		require.NoError(t, b.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: b.subs}))
		b.rounds(3)
		require.Equal(t, []string{"f1 failed phase:FAILED"}, b.all())
	})
}

// deafAdmin does not tell of successes for a while.
type deafAdmin struct {
	*fakeAdmin
	until time.Time
}

func (a deafAdmin) Succeeded(ctx context.Context, s flyte.Scope, launchPlan string, since time.Time) ([]flyte.Execution, error) {
	if time.Now().Before(a.until) {
		return nil, errors.New("unavailable")
	}
	return a.fakeAdmin.Succeeded(ctx, s, launchPlan, since)
}

func TestASilenceIsToldThoughSomethingElseHappensFirst(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		b.stop()
		b.exec, b.stop = b.execute(func(o *executor.Options) { o.Admin = deafAdmin{b.admin, time.Now().Add(30 * time.Minute)} })
		b.subscribe(to("daily", silentFor(10*time.Minute)))
		b.admin.set("f1", "SUCCEEDED", of("nightly"), started, ends)
		b.admin.set("f2", "RUNNING", of("nightly"), started)
		b.pass(15 * time.Minute)
		require.Empty(t, b.all(), "nobody could tell whether it is so")
		b.admin.set("f2", "FAILED", ends)
		b.pass(16 * time.Minute)
		require.Equal(t, []string{"- silent no_success_for:10m0s"}, b.all())
		b.admin.set("f3", "FAILED", of("nightly"), started, ends)
		b.pass(10 * time.Minute)
		require.Len(t, b.all(), 1, "once until the next success")
	})
}

func TestALaunchPlanIsExpectedToSucceedSinceItWasFirstSeen(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		b.subscribe(to("daily", silentFor(time.Hour)))
		b.pass(3 * time.Hour)
		b.admin.set("f1", "FAILED", of("new"), started, ends)
		b.pass(59 * time.Minute)
		require.Empty(t, b.all())
		b.pass(2 * time.Minute)
		require.Equal(t, []string{"- silent no_success_for:1h0m0s"}, b.all())
	})
}

func TestASuccessCountsWheneverItIsSeen(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("all", silentFor(time.Hour), when("failed", spec.When{Phases: []string{"FAILED"}}, every(10*time.Minute, 50))))
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.admin.set("f2", "RUNNING", of("nightly"), started)
		b.pass(time.Minute)
		ended := time.Now().UTC()
		b.pass(time.Minute)
		b.admin.set("f3", "FAILED", of("nightly"), started, ends)
		b.rounds(2)
		b.admin.set("f2", "SUCCEEDED", func(x *flyte.Execution) { x.EndedAt = ended }) // before f3 did
		b.rounds(2)
		require.Equal(t, []string{"f1 failed phase:FAILED", "f3 failed phase:FAILED"}, b.all())
		b.pass(11 * time.Minute)
		require.Equal(t, []string{"f3 failed phase:FAILED"}, b.all()[2:], "f1 is over by then")
		b.pass(50 * time.Minute)
		require.Contains(t, b.all(), "- silent no_success_for:1h0m0s", "since that success")
	})
}

func TestASuccessCountsThoughTheExecutionHadFailedBefore(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("daily", silentFor(time.Hour)))
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.rounds(2)
		b.admin.set("f1", "RUNNING", func(x *flyte.Execution) { x.EndedAt = time.Time{} })
		b.pass(time.Minute)
		b.admin.set("f1", "SUCCEEDED", ends)
		b.pass(59 * time.Minute)
		require.Empty(t, b.all())
		b.pass(2 * time.Minute)
		require.Equal(t, []string{"- silent no_success_for:1h0m0s"}, b.all())
	})
}

func TestARowAloneMakesNoHistory(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		b.subscribe(to("daily", silentFor(time.Hour)))
		created := time.Now().UTC()
		b.pass(25 * time.Minute)
		b.admin.set("f1", "RUNNING", of("nightly"), started, func(x *flyte.Execution) { x.CreatedAt = created })
		_, err := b.store.Register(b.t.Context(), store.Watch{ // by a server that died before it looked
			ID: store.NewID("w", "subscribed||"+id("f1").String()), Kind: store.Follow, State: store.Active,
			Execution: id("f1"), CreatedAt: time.Now().UTC(),
		})
		require.NoError(t, err)
		b.pass(3 * time.Hour)
		require.Len(t, b.all(), 1)
		require.NoError(t, b.store.Deliveries(b.t.Context(), store.Filter{}, func(d store.Delivery) error {
			require.Contains(t, d.Key, "|nightly|")
			return nil
		}))
	})
}

func TestAnEscalationThatAnEditTookAwayIsNoHarm(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("long", when("long", runningFor(time.Minute), escalating(time.Minute, 2*time.Minute), every(time.Hour, 0))))
		b.admin.set("f1", "RUNNING", of("nightly"), started)
		b.pass(5 * time.Minute)
		require.Len(t, b.all(), 3)
		b.subscribe(to("long", when("long", runningFor(time.Minute), escalating(time.Minute), every(time.Hour, 0)), onPhases("done", "SUCCEEDED")))
		b.admin.set("f1", "SUCCEEDED", ends)
		b.rounds(2)
		require.Len(t, b.all(), 4)
	})
}

// hangingAdmin never says what has succeeded.
type hangingAdmin struct{ *fakeAdmin }

func (hangingAdmin) Succeeded(ctx context.Context, _ flyte.Scope, _ string, _ time.Time) ([]flyte.Execution, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestNobodyWaitsWhileFlyteadminIsAskedForASilence(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		b.exec, b.stop = b.execute(func(o *executor.Options) { o.Admin = hangingAdmin{b.admin} })
		b.subscribe(to("daily", silentFor(10*time.Minute), onPhases("failed", "FAILED")))
		b.admin.set("f1", "SUCCEEDED", of("nightly"), started, ends)
		b.admin.set("f2", "RUNNING", of("nightly"), started)
		b.pass(10*time.Minute + time.Second)
		b.admin.set("f2", "FAILED", ends)
		b.rounds(2)
		require.Equal(t, []string{"f2 failed phase:FAILED"}, b.all(), "though that call hangs on")
	})
}

func TestAHistoryIsToldAsItWasAfterAnOutage(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("history", when("first", spec.When{Kind: spec.WhenFirstFailure}), when("recovered", spec.When{Kind: spec.WhenRecovered})))
		phases := []string{"FAILED", "FAILED", "SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED", "TIMED_OUT", "FAILED", "FAILED", "SUCCEEDED"}
		for i := range phases {
			b.admin.set(fmt.Sprint("f", i), "RUNNING", of("nightly"), started)
		}
		b.rounds(2)
		b.admin.fail(errors.New("down"))
		for i, phase := range phases {
			b.pass(time.Minute)
			b.admin.set(fmt.Sprint("f", i), phase, ends)
		}
		b.admin.fail(nil)
		b.pass(time.Minute)
		require.Equal(t, []string{
			"f0 first first_failure", "f2 recovered recovered", "f4 first first_failure", "f5 recovered recovered",
			"f6 first first_failure", "f9 recovered recovered",
		}, b.all())
	})
}

// secretAdmin does not say for a while what projects there are.
type secretAdmin struct {
	*fakeAdmin
	until time.Time
}

func (a secretAdmin) Projects(ctx context.Context) ([]flyte.Project, error) {
	if time.Now().Before(a.until) {
		return nil, errors.New("unavailable")
	}
	return a.fakeAdmin.Projects(ctx)
}

func TestWhatAPatternSelectsIsFoundThoughProjectsAreNotKnownYet(t *testing.T) {
	run(t, func(b *bench) {
		wide := to("wide", onPhases("failed", "FAILED"))
		wide.Match = spec.Match{Domain: "prod*"}
		b.subscribe(wide)
		b.rounds(2)
		b.stop()
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.pass(time.Hour)
		b.exec, b.stop = b.execute(func(o *executor.Options) { o.Admin = secretAdmin{b.admin, time.Now().Add(5 * time.Minute)} })
		b.subscribe(wide, to("new", onPhases("done", "SUCCEEDED")))
		b.pass(10 * time.Minute)
		require.Equal(t, []string{"f1 failed phase:FAILED"}, b.all())
	})
}

func TestAGroupIsNotToldInQuietHoursThatBeginMeanwhile(t *testing.T) {
	run(t, func(b *bench) { // a bubble's clock begins at midnight, UTC
		b.subscribe(to("failures", when("failed", spec.When{Phases: []string{"FAILED"}}, together(time.Minute, 0), quietly(soakHours().night))))
		b.pass(74*time.Minute + 30*time.Second)
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.rounds(2)
		b.admin.set("f2", "FAILED", of("nightly"), started, ends)
		b.pass(time.Hour)
		require.Equal(t, []store.DeliveryState{store.Held, store.Held}, states(b.deliveries()))
		b.pass(31 * time.Minute)
		require.Equal(t, []store.DeliveryState{store.Pending, store.Superseded}, states(b.deliveries()), "in one message at their end")
	})
}

func TestTheLastReminderIsTakenBackAsTheOthersAre(t *testing.T) {
	for name, end := range map[string]func(*bench){
		"it is over":      func(b *bench) { b.admin.set("f1", "SUCCEEDED", ends) },
		"it was answered": func(b *bench) { require.Equal(b.t, 1, b.acknowledge("f1")) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(b *bench) {
				b.subscribe(to("long", when("long", runningFor(time.Minute), every(5*time.Minute, 1), escalating(2*time.Minute))))
				b.admin.set("f1", "RUNNING", of("nightly"), started)
				b.pass(10 * time.Minute)
				require.Equal(t, []store.DeliveryState{store.Pending, store.Pending, store.Pending}, states(b.deliveries()))
				end(b)
				b.pass(time.Minute)
				require.Equal(t, []store.DeliveryState{store.Pending, store.Superseded, store.Superseded}, states(b.deliveries()))
			})
		})
	}
}

func TestALaunchPlanThatSucceedsNoMoreIsToldToTwoDestinationsOfAGroup(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("daily", when("silent", spec.When{Kind: spec.WhenNoSuccessFor, For: 10 * time.Minute}, together(time.Minute, 0), func(r *spec.Rule) {
			r.Send = append(r.Send, r.Send[0])
		})))
		b.admin.set("f1", "SUCCEEDED", of("nightly"), started, ends)
		b.pass(12 * time.Minute)
		require.Equal(t, []store.DeliveryState{store.Pending, store.Superseded}, states(b.deliveries()), "both are in one message")
	})
}

// acknowledge does so for all that was told of an execution.
func (b *bench) acknowledge(name string) int {
	n, err := executor.Acknowledge(b.t.Context(), b.store, id(name), time.Now().UTC())
	require.NoError(b.t, err)
	return n
}
