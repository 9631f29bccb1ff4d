package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

var errDisk = errors.New("disk is full")

func TestSelfWatchSucceedsFromItsMetaAlone(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, object{"rules": rules()}))
		w.store.fault(failing(errDisk), reads()...)
		got := w.get(meta)
		require.Equal(w.t, core.TaskExecution_SUCCEEDED, got.GetPhase())
		require.Nil(w.t, got.GetOutputs(), "none is declared")
		require.Zero(w.t, w.store.called("Watch"))

		x := w.watch()
		require.Equal(w.t, store.Watch{
			ID: x.ID, Kind: store.Follow, State: store.Active, Execution: own, Own: own,
			Custom: x.Custom, Inputs: json.RawMessage(`{}`), Version: 1, CreatedAt: x.CreatedAt,
		}, x)
		require.WithinDuration(w.t, time.Now(), x.CreatedAt, time.Minute)
		require.Contains(w.t, string(x.Custom), `"phase-failed"`)
		require.Equal(w.t, []store.Kind{store.Follow}, w.registered)
	})
}

// DESIGN: wait: false on any execution is SUCCEEDED at the first GetTask.
func TestNotWaitingSucceedsWithItsOutputs(t *testing.T) {
	bubble(t, func(w *world) {
		other := object{"watch": object{"execution": object{"name": "other"}, "node": "n0-0-n1"}, "rules": rules()}
		got := w.get(w.create(request(w.t, other, outputs("phase", "deliveries"))))
		require.Equal(w.t, core.TaskExecution_SUCCEEDED, got.GetPhase())
		require.Equal(w.t, "UNDEFINED", got.GetOutputs().GetLiterals()["phase"].GetScalar().GetPrimitive().GetStringValue())
		require.NotNil(w.t, got.GetOutputs().GetLiterals()["deliveries"].GetCollection())
		require.Len(w.t, got.GetOutputs().GetLiterals(), 2)
		require.Equal(w.t, flyte.ExecutionID{Scope: own.Scope, Name: "other"}, w.watch().Execution)
		require.Equal(w.t, own, w.watch().Own)
		require.Equal(w.t, "n0-0-n1", w.watch().Node)
	})
}

func TestReplayFindsItsWatch(t *testing.T) {
	bubble(t, func(w *world) {
		first := w.create(request(w.t, waiting(), outputs("deliveries", "phase")))
		w.move(ended("SUCCEEDED"))
		for range 3 {
			require.Equal(w.t, first, w.create(request(w.t, waiting(), outputs("phase", "deliveries"))))
		}
		require.Equal(w.t, store.Ended, w.watch().State, "what has ended stays so")
	})
}

func TestKey(t *testing.T) {
	bare := func(r *admin.CreateTaskRequest) { r.OutputPrefix = "" }
	at := func(prefix string) func(*admin.CreateTaskRequest) {
		return func(r *admin.CreateTaskRequest) { r.OutputPrefix = prefix }
	}
	node := func(id string) func(*admin.CreateTaskRequest) {
		return func(r *admin.CreateTaskRequest) {
			r.TaskExecutionMetadata.GetTaskExecutionId().GetNodeExecutionId().NodeId = id
		}
	}
	org := func(r *admin.CreateTaskRequest) {
		r.TaskExecutionMetadata.GetTaskExecutionId().GetNodeExecutionId().GetExecutionId().Org = "acme"
	}
	nobody := func(r *admin.CreateTaskRequest) { r.TaskExecutionMetadata = nil }
	send := ofType(agent.TypeSend) // which needs no execution
	type edits = []func(*admin.CreateTaskRequest)
	cases := map[string]struct {
		one, two edits
		same     bool
	}{
		"attempts share a prefix":          {edits{at("s3://b/n0/0")}, edits{at("s3://b/n0/1")}, true},
		"a slash at the end":               {edits{at("s3://b/n0/data/0")}, edits{at("s3://b/n0/data/0/")}, true},
		"other nodes":                      {edits{at("s3://b/n0/data/0")}, edits{at("s3://b/n1/data/0")}, false},
		"equal node ids nested apart":      {edits{at("s3://b/n0/data/0/n5/0")}, edits{at("s3://b/n1/data/0/n5/0")}, false},
		"only the last number goes":        {edits{at("s3://b/n0/0/1")}, edits{at("s3://b/n0/1/1")}, false},
		"a prefix without attempt":         {edits{at("s3://b/n0/x")}, edits{at("s3://b/n0/y")}, false},
		"the prefix goes before the id":    {edits{at("s3://b/n0/0"), node("n0")}, edits{at("s3://b/n0/0"), node("n9")}, true},
		"no prefix: the task execution id": {edits{bare}, edits{bare, attempt("", 3), bare}, true},
		"no prefix: other nodes":           {edits{bare, node("n0")}, edits{bare, node("n1")}, false},
		"no prefix: other organizations":   {edits{bare}, edits{bare, org}, false},
		"a prefix of slashes is none":      {edits{at("///")}, edits{at("")}, true},
		"outside of Flyte each is new":     {edits{bare, nobody, send}, edits{bare, nobody, send}, false},
		"outside of Flyte with a prefix":   {edits{at("/tmp/x/0"), nobody, send}, edits{at("/tmp/x/1"), nobody, send}, true},
	}
	bubble(t, func(w *world) {
		for name, tc := range cases {
			before := len(w.watches())
			for _, edits := range []edits{tc.one, tc.two} {
				r := request(w.t, object{"rules": rules()}, edits...)
				if r.GetTemplate().GetType() == agent.TypeSend {
					r.Template = template(w.t, agent.TypeSend, sending("accepted"))
				}
				apart(r, name)
				w.create(r)
			}
			want := 2
			if tc.same {
				want = 1
			}
			require.Equal(w.t, want, len(w.watches())-before, name)
		}
	})
}

// apart gives the tasks of one case keys of their own.
func apart(r *admin.CreateTaskRequest, name string) {
	r.OutputPrefix = strings.Replace(r.GetOutputPrefix(), "//b/", "//"+name+"/", 1)
	if id := r.GetTaskExecutionMetadata().GetTaskExecutionId().GetNodeExecutionId().GetExecutionId(); id != nil {
		id.Name = strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' {
				return c
			}
			return -1
		}, name)
	}
}

func TestAttemptIsOfThePrefixOnlyWithoutTheID(t *testing.T) {
	bubble(t, func(w *world) {
		w.create(request(w.t, waiting(), attempt("7", 2)))
		require.EqualValues(w.t, 2, w.watch().Attempt)
	})
	t.Run("outside", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.create(request(w.t, sending("accepted"), ofType(agent.TypeSend), attempt("7", 2), func(r *admin.CreateTaskRequest) {
				r.TaskExecutionMetadata = nil
			}))
			require.EqualValues(w.t, 7, w.watch().Attempt)
			require.Zero(w.t, w.watch().Own)
		})
	})
}

func TestLaterAttemptReopensWhatWasCancelledOrLost(t *testing.T) {
	bubble(t, func(w *world) {
		first := w.create(request(w.t, waiting(), attempt("0", 0)))
		w.delete(first)
		phase, message := w.phase(first)
		require.Equal(w.t, "ABORTED", phase)
		require.Contains(w.t, message, "its task was aborted or timed out")
		require.Equal(w.t, first, w.create(request(w.t, waiting(), attempt("0", 0))), "a replay of the same attempt changes nothing")
		require.Equal(w.t, store.Cancelled, w.watch().State)

		second := w.create(request(w.t, waiting(), attempt("1", 1)))
		require.NotEqual(w.t, first, second)
		require.Equal(w.t, store.Active, w.watch().State)
		phase, _ = w.phase(second)
		require.Equal(w.t, "RUNNING", phase)

		w.delete(first)
		w.get(first)
		require.Equal(w.t, store.Active, w.watch().State, "an earlier attempt changes nothing")

		w.move(func(x *store.Watch) { x.State, x.Reason, x.EndedAt = store.Lost, "unknown execution", time.Now() })
		phase, message = w.phase(second)
		require.Equal(w.t, "FAILED", phase)
		require.Equal(w.t, "watch lost: unknown execution", message)
		third := w.create(request(w.t, waiting(), attempt("2", 2)))
		phase, _ = w.phase(third)
		require.Equal(w.t, "RUNNING", phase)
		w.delete(third)
		require.Equal(w.t, store.Cancelled, w.watch().State)
	})
}

func TestStoreIsTriedUntilJustBeforeTheDeadline(t *testing.T) {
	for name, fault := range map[string]func(w *world){
		"failing": func(w *world) { w.store.fault(failing(errDisk), "Register") },
		"hanging": func(w *world) { w.store.fault(hanging, "Register") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				fault(w)
				start := time.Now()
				_, err := w.async.CreateTask(w.context(), request(w.t, waiting()))
				require.Equal(w.t, codes.Unavailable, status.Code(err), "%v", err)
				require.InDelta(w.t, 2500, time.Since(start).Milliseconds(), 5)
				require.Empty(w.t, w.registered)
				if name == "failing" {
					require.ErrorContains(w.t, err, "store the notification task: disk is full")
					require.Greater(w.t, w.store.called("Register"), 10)
					require.Less(w.t, w.store.called("Register"), 50)
				}
			})
		})
	}
}

// A store that failed for a reason and then hangs is told of by its reason.
func TestUnavailableNamesTheCause(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.fault(failing(errDisk), "Register")
		time.AfterFunc(time.Second, func() { w.store.fault(hanging, "Register") })
		_, err := w.async.CreateTask(w.context(), request(w.t, waiting()))
		require.Equal(w.t, codes.Unavailable, status.Code(err))
		require.ErrorContains(w.t, err, "disk is full")
	})
}

func TestShortAndMissingDeadlines(t *testing.T) {
	bubble(t, func(w *world) {
		svc := w.service()
		w.store.fault(failing(errDisk), "Register")
		start := time.Now()
		_, err := svc.CreateTask(w.t.Context(), request(w.t, waiting()))
		require.Equal(w.t, codes.Unavailable, status.Code(err))
		require.Equal(w.t, 2500*time.Millisecond, time.Since(start), "FlytePropeller's own deadline counts where none is named")

		w.store.fault(nil, "Register")
		ctx, cancel := contextWith(w.t, 200*time.Millisecond)
		defer cancel()
		_, err = svc.CreateTask(ctx, request(w.t, waiting()))
		require.NoError(w.t, err, "less than the margin is left, and enough")
	})
}

func TestStoreThatComesBackInTimeIsEnough(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.fault(failing(errDisk), "Register", "Cancel")
		time.AfterFunc(2*time.Second, func() { w.store.fault(nil, "Register") })
		start := time.Now()
		meta := w.create(request(w.t, waiting()))
		require.InDelta(w.t, 2100, time.Since(start).Milliseconds(), 150)
		require.Equal(w.t, []store.Kind{store.Follow}, w.registered)

		time.AfterFunc(time.Second, func() { w.store.fault(nil, "Cancel") })
		w.delete(meta)
		require.Equal(w.t, store.Cancelled, w.watch().State)
	})
}

func TestCallerThatLeavesEndsItsCall(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.fault(failing(errDisk), "Register")
		ctx, cancel := contextWith(w.t, deadline)
		time.AfterFunc(time.Second, cancel)
		_, err := w.async.CreateTask(ctx, request(w.t, waiting()))
		require.Equal(w.t, codes.Canceled, status.Code(err))
		synctest.Wait()
		before := w.store.called("Register")
		<-time.After(time.Second)
		require.Equal(w.t, before, w.store.called("Register"))
	})
}

// The promise is p99 under 250 ms. Nothing here calls flyteadmin: there is none. A machine that is
// busy with other tests gets another chance.
func TestCreateTaskIsQuick(t *testing.T) {
	w := newWorld(t, t.TempDir()+"/notifier.db")
	const calls, promise = 100, 250 * time.Millisecond
	var p99 time.Duration
	for round := range 5 {
		took := make([]time.Duration, calls)
		for i := range took {
			r := request(t, waiting(), attempt(fmt.Sprintf("%d-%d/0", round, i), 0))
			start := time.Now()
			w.create(r)
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		p99 = took[calls*99/100]
		t.Logf("CreateTask p50 %s, p99 %s", took[calls/2], p99)
		require.Len(t, w.watches(), (round+1)*calls)
		if p99 < promise {
			return
		}
	}
	t.Fatalf("CreateTask p99 %s", p99)
}
