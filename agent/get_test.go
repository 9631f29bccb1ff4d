package agent_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestWaitingTaskRunsUntilAllIsSettled(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, waiting(), outputs("phase", "deliveries")))
		is := func(phase, message string) {
			w.t.Helper()
			gotPhase, gotMessage := w.phase(meta)
			require.Equal(w.t, []string{phase, message}, []string{gotPhase, gotMessage})
		}
		is("RUNNING", "watching ml/production/other: UNDEFINED")
		w.move(func(x *store.Watch) { x.Phase = "RUNNING" })
		is("RUNNING", "watching ml/production/other: RUNNING")
		w.move(ended("FAILED"), w.delivery("d1"), w.delivery("d2"))
		is("RUNNING", "delivering delivery d1, delivery d2")
		w.settle("d1", store.Outcome{State: store.Delivered, Receipt: notifier.Receipt{"channel": "C1", "ts": "1.2"}})
		is("RUNNING", "delivering delivery d2")
		w.settle("d2", store.Outcome{State: store.Dead, LastError: "channel_not_found"})

		got := w.get(meta)
		require.Equal(w.t, core.TaskExecution_SUCCEEDED, got.GetPhase(), "a dead delivery is settled; the outputs tell of it")
		require.Len(w.t, got.GetOutputs().GetLiterals(), 2)
		require.Equal(w.t, "FAILED", got.GetOutputs().GetLiterals()["phase"].GetScalar().GetPrimitive().GetStringValue())
		require.Equal(w.t, []object{
			{"rule": "phase-failed", "notifier": "slack", "destination": "#ml", "state": "delivered", "receipt": object{"channel": "C1", "ts": "1.2"}},
			{"rule": "phase-failed", "notifier": "slack", "destination": "#ml", "state": "dead", "receipt": object{}},
		}, dicts(w.t, got.GetOutputs().GetLiterals()["deliveries"]))
	})
}

// dicts reads a list[dict] as flytekit does: each entry is msgpack.
func dicts(t *testing.T, l *core.Literal) (all []object) {
	t.Helper()
	for _, e := range l.GetCollection().GetLiterals() {
		require.Equal(t, "msgpack", e.GetScalar().GetBinary().GetTag())
		var d object
		require.NoError(t, msgpack.Unmarshal(e.GetScalar().GetBinary().GetValue(), &d))
		all = append(all, d)
	}
	return all
}

func TestOnlyDeclaredOutputs(t *testing.T) {
	for name, declared := range map[string][]string{"none": nil, "phase": {"phase"}, "deliveries": {"deliveries"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				meta := w.create(request(w.t, waiting(), outputs(declared...)))
				w.move(ended("SUCCEEDED"))
				got := w.get(meta)
				require.Equal(w.t, core.TaskExecution_SUCCEEDED, got.GetPhase())
				require.Len(w.t, got.GetOutputs().GetLiterals(), len(declared))
				for _, name := range declared {
					require.Contains(w.t, got.GetOutputs().GetLiterals(), name)
				}
			})
		})
	}
}

func TestLostAndCancelledWatches(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, waiting()))
		w.move(func(x *store.Watch) {
			x.State, x.Reason, x.EndedAt = store.Cancelled, "the task's own execution f7k2 ended: ABORTED", time.Now()
		})
		phase, message := w.phase(meta)
		require.Equal(w.t, "ABORTED", phase)
		require.Equal(w.t, "watch cancelled: the task's own execution f7k2 ended: ABORTED", message)
	})
	t.Run("lost", func(t *testing.T) {
		bubble(t, func(w *world) {
			meta := w.create(request(w.t, waiting()))
			w.move(func(x *store.Watch) {
				x.State, x.Reason, x.EndedAt = store.Lost, "unknown \x1b[31m"+strings.Repeat("x", 10_000), time.Now()
			})
			phase, message := w.phase(meta)
			require.Equal(w.t, "FAILED", phase)
			require.True(w.t, strings.HasPrefix(message, "watch lost: unknown xxx"), message)
			require.Less(w.t, len(message), 5<<10)
		})
	})
	t.Run("unknown to a healthy store", func(t *testing.T) {
		bubble(t, func(w *world) {
			phase, message := w.phase([]byte(`{"v":1,"watch":"w0000","wait":true}`))
			require.Equal(w.t, "FAILED", phase)
			require.Equal(w.t, "watch lost: the store does not know w0000", message)
		})
	})
}

// Whatever the store does, GetTask says RUNNING, in time.
func TestGetTaskNeverFails(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, waiting()))
		for _, method := range reads() {
			if method == "WatchDeliveries" { // those of an active watch are not asked for
				w.move(ended("FAILED"), w.delivery("d1"))
			}
			for name, fault := range map[string]func(context.Context) error{
				"failing":   failing(errDisk),
				"hanging":   hanging,
				"locked up": lockedUp(w.t),
				"panicking": func(context.Context) error { panic("mistake") },
			} {
				w.store.fault(fault, method)
				w.staysRunning(meta, name)
				w.store.fault(nil, method)
			}
		}
		require.Contains(w.t, w.log.String(), "task cannot be looked up")
		_, message := w.phase(meta)
		require.Equal(w.t, "delivering delivery d1", message)
	})
}

// staysRunning asks a store that fails in this way.
func (w *world) staysRunning(meta []byte, way string) {
	for range 8 {
		start := time.Now()
		phase, message := w.phase(meta)
		require.Equal(w.t, "RUNNING", phase, way)
		require.Contains(w.t, message, "the store did not answer: ", way)
		require.LessOrEqual(w.t, time.Since(start), time.Second, way)
	}
	ctx, cancel := contextWith(w.t, 300*time.Millisecond)
	defer cancel()
	got, err := w.async.GetTask(ctx, &admin.GetTaskRequest{ResourceMeta: meta})
	require.NoError(w.t, err, "a short deadline leaves time to answer, too")
	require.Equal(w.t, core.TaskExecution_RUNNING, got.GetResource().GetPhase(), way)
}

// panicky is a log that fails, to show that nothing of ours may turn GetTask into an error.
type panicky struct{ slog.Handler }

func (p panicky) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		panic("mistake in the log")
	}
	return nil
}

func TestGetTaskSurvivesOurOwnMistakes(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, waiting()))
		w.store.fault(failing(errDisk), "Watch")
		svc := w.service()
		svc.Log = slog.New(panicky{svc.Log.Handler()})
		got, err := svc.GetTask(w.context(), &admin.GetTaskRequest{ResourceMeta: meta})
		require.NoError(w.t, err)
		require.Equal(w.t, core.TaskExecution_RUNNING, got.GetResource().GetPhase())
		require.Equal(w.t, "the agent failed to look; it will again", got.GetResource().GetMessage())
	})
}

func TestForeignResourceMetaIsFailed(t *testing.T) {
	bubble(t, func(w *world) {
		for _, raw := range []string{
			"", " ", "null", "{}", "[]", "0", `"w1"`, "\xff\xfe\x00", "\x80\x04\x95pickle", `{"job_id":"42"}`,
			`{"v":2,"watch":"w1"}`, `{"v":"1","watch":"w1"}`, `{"v":1}`, `{"v":1,"watch":"w1"}}`, `{"v":1,"watch":"w1"} {}`,
			`{"v":1,"watch":7}`, `{"v":1,"attempt":-1,"watch":"w1"}`, `{"v":1,"attempt":4294967296,"watch":"w1"}`,
			`{"v":1,"watch":"` + strings.Repeat("x", 2<<10) + `"}`, strings.Repeat("[", 2000), strings.Repeat("x", 1<<20),
			`{"v":1e400,"watch":"w1"}`,
		} {
			phase, message := w.phase([]byte(raw))
			require.Equal(w.t, "FAILED", phase, "%.60q", raw)
			require.True(w.t, strings.HasPrefix(message, "resource_meta: "), "%.60q: %s", raw, message)
			w.delete([]byte(raw))
		}
		require.Empty(w.t, w.watches())
	})
}

func TestForgedMetaGetsNoMoreThanItSays(t *testing.T) {
	bubble(t, func(w *world) {
		got := w.get([]byte(`{"v":1,"watch":"x","outputs":["phase","passwords"]}`))
		require.Equal(w.t, core.TaskExecution_SUCCEEDED, got.GetPhase())
		require.Len(w.t, got.GetOutputs().GetLiterals(), 1)
		_, message := w.phase([]byte(`{"v":1,"rejected":"\u001b[2J\u202eevil"}`))
		require.Equal(w.t, "evil", message)
	})
}

func TestDeleteTask(t *testing.T) {
	bubble(t, func(w *world) {
		self := w.create(request(w.t, object{"rules": rules()}))
		w.delete(self)
		require.Equal(w.t, store.Active, w.watch().State, "it outlives its task")
		w.delete([]byte(`{"v":1,"watch":"w0000","wait":true}`))
		require.Equal(w.t, 1, w.store.called("Cancel"))
	})
	t.Run("waiting", func(t *testing.T) {
		bubble(t, func(w *world) {
			meta := w.create(request(w.t, waiting()))
			w.move(func(x *store.Watch) { x.Phase = "RUNNING" }, w.delivery("d1"))
			w.delete(meta)
			require.Equal(w.t, store.Cancelled, w.watch().State)
			all, err := w.db.WatchDeliveries(w.t.Context(), w.watch().ID)
			require.NoError(w.t, err)
			require.Equal(w.t, store.Pending, all[0].State, "what was made still goes out")
			w.delete(meta)
		})
	})
	t.Run("ended", func(t *testing.T) {
		bubble(t, func(w *world) {
			meta := w.create(request(w.t, waiting()))
			w.move(ended("SUCCEEDED"))
			w.delete(meta)
			require.Equal(w.t, store.Ended, w.watch().State)
		})
	})
	t.Run("store down", func(t *testing.T) {
		bubble(t, func(w *world) {
			meta := w.create(request(w.t, waiting()))
			w.store.fault(failing(errDisk), "Cancel")
			start := time.Now()
			_, err := w.async.DeleteTask(w.context(), &admin.DeleteTaskRequest{ResourceMeta: meta})
			require.Equal(w.t, codes.Unavailable, status.Code(err))
			require.ErrorContains(w.t, err, "cancel the watch: disk is full")
			require.InDelta(w.t, 2500, time.Since(start).Milliseconds(), 5)
		})
	})
}

// Over the asynchronous API a send is done when it is accepted, or when it is delivered.
func TestSendOverTheAsynchronousAPI(t *testing.T) {
	type step struct {
		do      func(w *world)
		phase   string
		message string
	}
	registered := step{func(*world) {}, "RUNNING", "still pending: accepted as watch "}
	made := func(w *world) { w.move(ended("RUNNING"), w.delivery("d1"), w.delivery("d2")) }
	settled := func(id string, o store.Outcome) func(*world) { return func(w *world) { w.settle(id, o) } }
	for name, tc := range map[string]struct {
		require string
		outputs []string
		steps   []step
	}{
		"accepted":              {"accepted", nil, []step{{func(*world) {}, "SUCCEEDED", ""}}},
		"accepted with outputs": {"accepted", []string{"phase"}, []step{registered, {made, "SUCCEEDED", ""}}},
		"delivered": {"delivered", nil, []step{
			registered,
			{made, "RUNNING", "still pending: delivery d1, delivery d2"},
			{settled("d1", store.Outcome{State: store.Delivered}), "RUNNING", "still pending: delivery d2"},
			{settled("d2", store.Outcome{State: store.Delivered}), "SUCCEEDED", ""},
		}},
		"dead": {"delivered", nil, []step{
			registered,
			{made, "RUNNING", ""},
			{settled("d1", store.Outcome{State: store.Dead, LastError: "slack: invalid_auth"}), "FAILED", "dead: slack to #ml: slack: invalid_auth"},
		}},
		"nothing made": {"delivered", nil, []step{{func(w *world) { w.move(ended("")) }, "FAILED", "nothing was sent: the watch made no delivery"}}},
		"cancelled": {"delivered", nil, []step{{func(w *world) {
			w.move(func(x *store.Watch) { x.State, x.Reason = store.Cancelled, "aborted" })
		}, "ABORTED", "send cancelled: aborted"}}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				r := request(w.t, sending(tc.require), ofType(agent.TypeSend), outputs(tc.outputs...))
				meta := w.create(r)
				require.Equal(w.t, []store.Kind{store.Send}, w.registered)
				for _, s := range tc.steps {
					s.do(w)
					phase, message := w.phase(meta)
					require.Equal(w.t, s.phase, phase)
					require.Contains(w.t, message, s.message)
				}
			})
		})
	}
}
