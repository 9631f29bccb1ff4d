package executor_test

import (
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

// subscribe makes the executor go by subscriptions.
func (b *bench) subscribe(all ...spec.Subscription) {
	b.subs = all
	require.NoError(b.t, b.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: all}))
	b.rounds(3) // somebody holds their scopes
}

// restart stops the executor for a while.
func (b *bench) restart(down time.Duration) {
	b.stop()
	b.pass(down)
	b.start()
	require.NoError(b.t, b.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: b.subs}))
}

// to is a subscription to everything in ml/production.
func to(name string, rules ...spec.Rule) spec.Subscription {
	return spec.Subscription{Name: name, Match: spec.Match{Project: "ml", Domain: "production"}, Rules: rules, CatchUp: spec.CatchUpSend}
}

// all returns what was told of everything: "name rule reason", oldest first.
func (b *bench) all() []string {
	told := []string{}
	require.NoError(b.t, b.store.Deliveries(b.t.Context(), store.Filter{}, func(d store.Delivery) error {
		name := d.Execution.Name
		if name == "" {
			name = "-"
		}
		told = append(told, fmt.Sprintf("%s %s %s", name, d.Rule, d.Reason))
		return nil
	}))
	return told
}

// of is an execution of a launch plan that is created now.
func of(launchPlan string) func(*flyte.Execution) {
	return func(x *flyte.Execution) {
		x.CreatedAt, x.Workflow, x.LaunchPlan = time.Now().UTC(), "train", launchPlan
	}
}

// ends is an execution that ends now.
func ends(x *flyte.Execution) { x.EndedAt = time.Now().UTC() }

func TestASubscriptionHearsOfEveryNewExecution(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("old", "RUNNING", of("nightly"))
		b.pass(time.Second)
		b.subscribe(to("failures", onPhases("failed", "FAILED"), when("long", runningFor(time.Minute))))
		b.admin.set("f1", "RUNNING", of("nightly"), started)
		b.admin.set("f2", "FAILED", of("nightly"), ends)
		b.admin.put(flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "development"}, Name: "f3"}, "FAILED")
		b.rounds(2)
		require.Equal(t, []string{"f2 failed phase:FAILED"}, b.all(), "it had ended when it was first seen")
		b.pass(time.Minute)
		require.Equal(t, []string{"f2 failed phase:FAILED", "f1 long running_for:1m0s"}, b.all())
		b.admin.set("f1", "FAILED", ends)
		b.admin.set("old", "FAILED", ends)
		b.rounds(2)
		require.Equal(t, []string{"f2 failed phase:FAILED", "f1 long running_for:1m0s", "f1 failed phase:FAILED"}, b.all(),
			"not of what was created before the subscription")
		b.restart(time.Minute)
		b.pass(10 * time.Minute)
		require.Len(t, b.all(), 3)
	})
}

func TestNothingIsMissedWhileTheServerOrFlyteadminIsDown(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("failures", onPhases("failed", "FAILED")))
		b.stop()
		for i := range 30 {
			b.admin.set(fmt.Sprintf("f%02d", i), "FAILED", of("nightly"), ends)
			b.pass(time.Hour)
		}
		b.start()
		require.NoError(b.t, b.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: b.subs}))
		b.rounds(3)
		require.Len(t, b.all(), 30)
		b.admin.fail(errors.New("down"))
		b.admin.set("g1", "FAILED", of("nightly"), ends)
		b.pass(time.Hour)
		b.admin.fail(nil)
		b.pass(time.Minute)
		require.Len(t, b.all(), 31)
	})
}

func TestAnExecutionThatIsSeenLateIsFound(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("failures", onPhases("failed", "FAILED")))
		created := time.Now().UTC()
		b.pass(4 * time.Minute)
		b.admin.set("f1", "FAILED", of("nightly"), ends, func(x *flyte.Execution) { x.CreatedAt = created })
		b.pass(6 * time.Minute)
		require.Equal(t, []string{"f1 failed phase:FAILED"}, b.all())
	})
}

func TestAnEndIsSeenThatCameWhileMuchWasCaughtUpWith(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("failures", onPhases("failed", "FAILED")))
		b.admin.delay(500 * time.Millisecond)
		for i := range 60 { // read one after the other, for longer than a read by time looks back
			b.admin.set(fmt.Sprintf("f%02d", i), "FAILED", of("nightly"), ends)
		}
		b.admin.set("r1", "RUNNING", of("nightly"), started)
		for before := b.discovered(); b.discovered() == before; {
			b.pass(100 * time.Millisecond)
		}
		b.admin.set("r1", "FAILED", ends)
		b.pass(40 * time.Second)
		require.Len(t, b.all(), 61)
		require.Contains(t, b.all(), "r1 failed phase:FAILED")
	})
}

func TestAQuietScopeIsAskedLess(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("failures", onPhases("failed", "FAILED")))
		b.pass(20 * time.Minute)
		before := b.discovered()
		b.pass(5 * time.Minute)
		require.LessOrEqual(t, b.discovered()-before, 12)
		b.admin.set("f1", "SUCCEEDED", of("nightly"), ends)
		b.pass(time.Minute)
		before = b.discovered()
		b.pass(20 * time.Second)
		require.Greater(t, b.discovered()-before, 3, "it is busy again")
	})
}

func (b *bench) discovered() int {
	b.admin.mu.Lock()
	defer b.admin.mu.Unlock()
	return b.admin.discovered
}

func TestWhatIsSelected(t *testing.T) {
	run(t, func(b *bench) {
		s := to("some", onPhases("failed", "FAILED"))
		s.Match = spec.Match{Project: "m*", Domain: "production", Workflow: "tr*", Labels: map[string]string{"team": "m?"}, User: "ada", Trigger: spec.TriggerSchedule}
		b.subscribe(s)
		good := func(x *flyte.Execution) {
			x.Labels, x.User, x.Trigger = map[string]string{"team": "ml"}, "ada", "schedule"
		}
		b.admin.set("f1", "FAILED", of("nightly"), ends, good)
		b.admin.set("f2", "FAILED", of("nightly"), ends, good, func(x *flyte.Execution) { x.Workflow = "test" })
		b.admin.set("f3", "FAILED", of("nightly"), ends, good, func(x *flyte.Execution) { x.Labels = nil })
		b.admin.set("f4", "FAILED", of("nightly"), ends, good, func(x *flyte.Execution) { x.User = "bob" })
		b.admin.set("f5", "FAILED", of("nightly"), ends, good, func(x *flyte.Execution) { x.Trigger = "manual" })
		b.rounds(3)
		require.Equal(t, []string{"f1 failed phase:FAILED"}, b.all())
	})
}

func TestASubscriptionIsItsName(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		b.subscribe(to("a", onPhases("failed", "FAILED")))
		b.admin.set("f1", "RUNNING", of("nightly"), started)
		b.rounds(2)
		b.subscribe(to("a", onPhases("failed", "FAILED"), onPhases("done", "SUCCEEDED")))
		b.admin.set("f2", "RUNNING", of("nightly"), started)
		b.rounds(2)
		b.admin.set("f1", "SUCCEEDED", ends)
		b.rounds(2)
		require.Equal(t, []string{"f1 done phase:SUCCEEDED"}, b.all(), "an edit applies from the next transition")
		b.subscribe()
		b.admin.set("f3", "RUNNING", of("nightly"), started)
		b.pass(time.Hour)
		b.subscribe(to("a", onPhases("done", "SUCCEEDED")))
		b.admin.set("f2", "SUCCEEDED", ends)
		b.admin.set("f3", "SUCCEEDED", ends)
		b.admin.set("f4", "SUCCEEDED", of("nightly"), ends)
		b.pass(6 * time.Minute)
		require.Equal(t, []string{"f1 done phase:SUCCEEDED", "f4 done phase:SUCCEEDED"}, b.all(), "added again it is born anew")
	})
}

// A new config is rolled out, and for a while servers go by different ones.
func TestASubscriptionThatComesBackSoonIsTheSame(t *testing.T) {
	run(t, func(b *bench) {
		rules := []spec.Rule{
			onPhases("done", "SUCCEEDED"), when("first", spec.When{Kind: spec.WhenFirstFailure}),
			when("silent", spec.When{Kind: spec.WhenNoSuccessFor, For: 2 * time.Hour}),
		}
		b.subscribe(to("a", rules...))
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.admin.set("f2", "RUNNING", of("nightly"), started)
		b.rounds(2)
		born, err := executor.Born(b.t.Context(), b.store, "a")
		require.NoError(b.t, err)
		for range 3 {
			b.subscribe()
			b.admin.set("f3", "RUNNING", of("nightly"), started)
			b.restart(40 * time.Minute)
			b.rounds(2)
			b.subscribe(to("a", rules...))
		}
		again, err := executor.Born(b.t.Context(), b.store, "a")
		require.NoError(b.t, err)
		require.Equal(b.t, born, again)
		b.admin.set("g1", "FAILED", of("nightly"), started, ends)
		b.pass(time.Minute)
		require.Equal(t, []string{"f1 first first_failure", "- silent no_success_for:2h0m0s"}, b.all(), "its history goes on")
		b.admin.set("f2", "SUCCEEDED", ends)
		b.admin.set("f3", "SUCCEEDED", ends)
		b.rounds(2)
		require.ElementsMatch(t, []string{"f1 first first_failure", "- silent no_success_for:2h0m0s", "f2 done phase:SUCCEEDED", "f3 done phase:SUCCEEDED"}, b.all(),
			"also of what was created while no server knew it")
	})
}

func TestASilentScopeDelaysNoOther(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(spec.Subscription{
			Name: "all", CatchUp: spec.CatchUpSend, Match: spec.Match{Project: "m*"}, Rules: []spec.Rule{onPhases("failed", "FAILED")},
		})
		b.admin.mu.Lock()
		b.admin.mute = map[flyte.Scope]bool{{Project: "ml", Domain: "development"}: true}
		b.admin.mu.Unlock()
		b.rounds(2)
		for i := range 10 {
			name := fmt.Sprint("f", i)
			b.admin.set(name, "FAILED", of("nightly"), ends)
			b.rounds(1)
			require.Len(t, b.all(), i+1)
		}
		began := time.Now()
		b.stop()
		require.Zero(t, time.Since(began), "it ends at once")
		b.start()
	})
}

func TestALaunchPlansHistory(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("history",
			when("first", spec.When{Kind: spec.WhenFirstFailure}), when("recovered", spec.When{Kind: spec.WhenRecovered}),
			when("rate", spec.When{Kind: spec.WhenFailureRate, Rate: &spec.Rate{Of: 4, AtLeast: 3}}),
		))
		for i, phase := range []string{"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "FAILED", "SUCCEEDED", "SUCCEEDED", "FAILED"} {
			b.admin.set(fmt.Sprintf("f%d", i), phase, of("nightly"), started, ends)
			b.rounds(2)
		}
		require.Equal(t, []string{
			"f1 first first_failure", "f4 rate failure_rate:3/4", "f5 recovered recovered", "f7 first first_failure",
		}, b.all())
		b.admin.set("g0", "FAILED", of("other"), started, ends)
		b.rounds(2)
		require.Equal(t, "g0 first first_failure", b.all()[4], "each launch plan has its own, and the first end that is seen may be one")
		b.restart(time.Second)
		b.pass(11 * time.Minute)
		require.Len(t, b.all(), 5)
	})
}

func TestALaunchPlanThatSucceedsNoMore(t *testing.T) {
	run(t, func(b *bench) {
		never := to("never", when("silent", spec.When{Kind: spec.WhenNoSuccessFor, For: 2 * time.Minute}))
		never.Match.LaunchPlan = "weekly"
		b.subscribe(to("daily", when("silent", spec.When{Kind: spec.WhenNoSuccessFor, For: time.Minute})), never)
		b.admin.set("f1", "SUCCEEDED", of("nightly"), started, ends)
		b.rounds(2)
		b.pass(50 * time.Second)
		require.Empty(t, b.all())
		b.pass(10 * time.Second)
		require.Equal(t, []string{"- silent no_success_for:1m0s"}, b.all())
		b.pass(2 * time.Minute)
		require.Equal(t, []string{"- silent no_success_for:1m0s", "- silent no_success_for:2m0s"}, b.all(),
			"once until the next success; and of a launch plan that was never seen")
		b.admin.set("f2", "FAILED", of("nightly"), started, ends)
		b.pass(2 * time.Minute)
		require.Len(t, b.all(), 2)
		b.admin.set("f3", "SUCCEEDED", of("nightly"), started, ends)
		b.rounds(2)
		b.stop()
		b.pass(40 * time.Second)
		b.admin.set("f4", "SUCCEEDED", of("nightly"), started, ends)
		b.pass(40 * time.Second)
		b.start()
		require.NoError(t, b.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: b.subs}))
		b.pass(10 * time.Second)
		require.Len(t, b.all(), 2, "a success that was not seen yet counts")
		b.pass(time.Minute)
		require.Len(t, b.all(), 3)
	})
}

func TestRemindersEndWhenTheLaunchPlanSucceeds(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("failures", when("failed", spec.When{Phases: []string{"FAILED"}}, every(time.Minute, 50))))
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.pass(2*time.Minute + 10*time.Second)
		require.Len(t, b.all(), 3)
		b.admin.set("f2", "SUCCEEDED", of("nightly"), started, ends)
		b.pass(10 * time.Minute)
		require.Len(t, b.all(), 3)
	})
}

func TestDeclaredNotificationsAreHonored(t *testing.T) {
	run(t, func(b *bench) {
		s := to("declared")
		s.Honor = &spec.Honor{Kind: "stdout"}
		b.subscribe(s)
		b.admin.set("f1", "FAILED", of("nightly"), started, ends, func(x *flyte.Execution) {
			x.Notifications = []flyte.Notification{
				{Kind: flyte.Email, Phases: []string{"SUCCEEDED"}, Recipients: []string{"a@example.org"}},
				{Kind: flyte.PagerDuty, Phases: []string{"FAILED", "TIMED_OUT"}, Recipients: []string{"b@example.org"}},
			}
		})
		b.admin.set("f2", "FAILED", of("nightly"), started, ends)
		b.rounds(2)
		require.Equal(t, []string{"f1 launch-plan-pagerduty-1 phase:FAILED"}, b.all())
	})
}
