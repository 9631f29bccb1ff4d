package agent_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

type syncStream = service.SyncAgentService_ExecuteTaskSyncClient

func header(r *admin.CreateTaskRequest) *admin.ExecuteTaskSyncRequest {
	return &admin.ExecuteTaskSyncRequest{Part: &admin.ExecuteTaskSyncRequest_Header{Header: &admin.CreateRequestHeader{
		Template: r.GetTemplate(), OutputPrefix: r.GetOutputPrefix(), TaskExecutionMetadata: r.GetTaskExecutionMetadata(),
	}}}
}

func inputs(values map[string]*core.Literal) *admin.ExecuteTaskSyncRequest {
	return &admin.ExecuteTaskSyncRequest{Part: &admin.ExecuteTaskSyncRequest_Inputs{Inputs: &core.LiteralMap{Literals: values}}}
}

// execute sends a task as FlytePropeller does: header, inputs, end.
func (w *world) execute(r *admin.CreateTaskRequest) (*admin.Resource, error) {
	w.t.Helper()
	return w.exchange(func(stream syncStream) {
		require.NoError(w.t, stream.Send(header(r)))
		require.NoError(w.t, stream.Send(inputs(r.GetInputs().GetLiterals())))
		require.NoError(w.t, stream.CloseSend())
	})
}

func (w *world) exchange(send func(syncStream)) (*admin.Resource, error) {
	w.t.Helper()
	stream, err := w.sync.ExecuteTaskSync(w.context())
	require.NoError(w.t, err)
	send(stream)
	got, err := stream.Recv()
	return got.GetHeader().GetResource(), err
}

// outbox makes the deliveries of each send as soon as it is registered, as executor and outbox do.
func (w *world) outbox(after time.Duration, ids []string, settle func()) {
	w.onRegister = func(store.Kind) {
		time.AfterFunc(after, func() {
			var all []store.Delivery
			for _, id := range ids {
				all = append(all, w.delivery(id))
			}
			w.move(ended("RUNNING"), all...)
			settle()
		})
	}
}

func sendRequest(t testing.TB, require string, outputs ...string) *admin.CreateTaskRequest {
	r := request(t, nil)
	r.Template = template(t, agent.TypeSend, sending(require), outputs...)
	return r
}

func TestSyncSend(t *testing.T) {
	receipt := notifier.Receipt{"ts": "1.2"}
	for name, tc := range map[string]struct {
		require string
		ids     []string
		settle  func(w *world)
		phase   string
		message string
		took    time.Duration
	}{
		"delivered": {
			"delivered",
			[]string{"d1"},
			func(w *world) { w.settle("d1", store.Outcome{State: store.Delivered, Receipt: receipt}) }, "SUCCEEDED", "", 0,
		},
		"accepted and delivered at once": {
			"accepted",
			[]string{"d1"},
			func(w *world) { w.settle("d1", store.Outcome{State: store.Delivered, Receipt: receipt}) }, "SUCCEEDED", "", 0,
		},
		"accepted while it is pending":           {"accepted", []string{"d1"}, func(*world) {}, "SUCCEEDED", "", 2500 * time.Millisecond},
		"required while it is pending":           {"delivered", []string{"d1"}, func(*world) {}, "FAILED", "still pending: delivery d1", 2500 * time.Millisecond},
		"required while one of three is pending": {"delivered", []string{"d1", "d2", "d3"}, settleTwo, "FAILED", "still pending: delivery d3", 2500 * time.Millisecond},
		"dead": {
			"delivered",
			[]string{"d1"},
			func(w *world) {
				w.settle("d1", store.Outcome{State: store.Dead, LastError: "slack: channel_not_found"})
			}, "FAILED", "dead: slack to #ml: slack: channel_not_found", 0,
		},
		"dead, but only to be accepted": {
			"accepted", []string{"d1"}, func(w *world) { w.settle("d1", store.Outcome{State: store.Dead}) }, "SUCCEEDED", "", 0,
		},
		"nothing was made": {"delivered", nil, func(*world) {}, "FAILED", "nothing was sent", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.outbox(100*time.Millisecond, tc.ids, func() { tc.settle(w) })
				start := time.Now()
				got, err := w.execute(sendRequest(w.t, tc.require))
				require.NoError(w.t, err)
				require.Equal(w.t, tc.phase, got.GetPhase().String())
				require.Contains(w.t, got.GetMessage(), tc.message)
				want := max(tc.took, 100*time.Millisecond)
				require.InDelta(w.t, want.Milliseconds(), time.Since(start).Milliseconds(), 30)
			})
		})
	}
}

func settleTwo(w *world) {
	w.settle("d1", store.Outcome{State: store.Delivered})
	w.settle("d2", store.Outcome{State: store.Delivered})
}

func TestSyncSendWithOutputs(t *testing.T) {
	bubble(t, func(w *world) {
		w.outbox(0, []string{"d1"}, func() {
			w.settle("d1", store.Outcome{State: store.Delivered, Receipt: notifier.Receipt{"ts": "1.2"}})
		})
		got, err := w.execute(sendRequest(w.t, "accepted", "phase", "deliveries"))
		require.NoError(w.t, err)
		require.Equal(w.t, "RUNNING", got.GetOutputs().GetLiterals()["phase"].GetScalar().GetPrimitive().GetStringValue())
		require.Equal(w.t, object{"ts": "1.2"}, dicts(w.t, got.GetOutputs().GetLiterals()["deliveries"])[0]["receipt"])
	})
}

func TestSyncSendThatNobodyTakesUp(t *testing.T) {
	for required, want := range map[string]string{"accepted": "SUCCEEDED", "delivered": "FAILED"} {
		t.Run(required, func(t *testing.T) {
			bubble(t, func(w *world) {
				got, err := w.execute(sendRequest(w.t, required, "phase"))
				require.NoError(w.t, err)
				require.Equal(w.t, want, got.GetPhase().String())
				if want == "FAILED" {
					require.Equal(w.t, "still pending: accepted as watch "+w.watch().ID, got.GetMessage())
				} else {
					require.Equal(w.t, "UNDEFINED", got.GetOutputs().GetLiterals()["phase"].GetScalar().GetPrimitive().GetStringValue())
				}
			})
		})
	}
}

// Calls that wait for long look seldom, and yet see what is settled right before they end.
func TestSyncCallsThatWaitLeaveTheStoreAlone(t *testing.T) {
	for _, slow := range []time.Duration{0, 5 * time.Millisecond, 10 * time.Millisecond} { // so that the last looks are at other times
		t.Run(slow.String(), func(t *testing.T) {
			bubble(t, func(w *world) {
				var looks atomic.Int32
				w.store.fault(func(context.Context) error { looks.Add(1); <-time.After(slow); return nil }, "Watch")
				w.outbox(0, []string{"d1"}, func() {
					time.AfterFunc(2450*time.Millisecond, func() { w.settle("d1", store.Outcome{State: store.Delivered}) })
				})
				got, err := w.execute(sendRequest(w.t, "delivered"))
				require.NoError(w.t, err)
				require.Equal(w.t, "SUCCEEDED", got.GetPhase().String(), got.GetMessage())
				require.Less(w.t, looks.Load(), int32(30), "of 2.5 s")
			})
		})
	}
}

func TestSyncNotificationSucceedsAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		start := time.Now()
		got, err := w.execute(request(w.t, object{"rules": rules()}, outputs("phase")))
		require.NoError(w.t, err)
		require.Equal(w.t, core.TaskExecution_SUCCEEDED, got.GetPhase())
		require.Contains(w.t, got.GetOutputs().GetLiterals(), "phase")
		require.Zero(w.t, time.Since(start))
		require.Equal(w.t, store.Active, w.watch().State)

		// The same key as CreateTask's.
		w.create(request(w.t, object{"rules": rules()}, outputs("phase")))
		require.Len(w.t, w.watches(), 1)
	})
}

func TestSyncRefusalsAreResources(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.fault(failing(errDisk), append(reads(), "Register")...)
		for want, r := range map[string]*admin.CreateTaskRequest{
			"wait: true needs the asynchronous API": request(w.t, waiting()),
			"rules: unknown key":                    request(w.t, object{"rules": rules()}, ofType(agent.TypeSend)),
			"type: unknown task type":               request(w.t, nil, ofType("sensor")),
			`type: unknown task type ""`:            {},
		} {
			got, err := w.execute(r)
			require.NoError(w.t, err)
			require.Equal(w.t, core.TaskExecution_FAILED, got.GetPhase())
			require.Contains(w.t, got.GetMessage(), want)
		}
		require.Empty(w.t, w.watches())
	})
}

// Callers need not close their side, and inputs may come late, in parts, first or never.
func TestSyncParts(t *testing.T) {
	part := func(name string) map[string]*core.Literal { return map[string]*core.Literal{name: text("v")} }
	task := header(request(t, object{"rules": rules()}))
	for name, tc := range map[string]struct {
		send func(t *testing.T, stream syncStream)
		want string
		took time.Duration
	}{
		"header and end": {func(t *testing.T, s syncStream) {
			require.NoError(t, s.Send(task))
			require.NoError(t, s.CloseSend())
		}, `{}`, 0},
		"header only": {func(t *testing.T, s syncStream) {
			require.NoError(t, s.Send(task))
		}, `{}`, time.Second},
		"in parts": {func(t *testing.T, s syncStream) {
			require.NoError(t, s.Send(task))
			require.NoError(t, s.Send(inputs(part("a"))))
			<-time.After(50 * time.Millisecond)
			require.NoError(t, s.Send(inputs(part("b"))))
			require.NoError(t, s.CloseSend())
		}, `{"a":"v","b":"v"}`, 50 * time.Millisecond},
		"in parts without an end": {func(t *testing.T, s syncStream) {
			require.NoError(t, s.Send(task))
			require.NoError(t, s.Send(inputs(part("a"))))
			require.NoError(t, s.Send(inputs(part("b"))))
		}, `{"a":"v","b":"v"}`, 100 * time.Millisecond},
		"inputs first": {func(t *testing.T, s syncStream) {
			require.NoError(t, s.Send(inputs(part("a"))))
			<-time.After(500 * time.Millisecond)
			require.NoError(t, s.Send(task))
			require.NoError(t, s.CloseSend())
		}, `{"a":"v"}`, 500 * time.Millisecond},
		"inputs late": {func(t *testing.T, s syncStream) {
			require.NoError(t, s.Send(task))
			<-time.After(900 * time.Millisecond)
			require.NoError(t, s.Send(inputs(part("a"))))
			require.NoError(t, s.CloseSend())
		}, `{"a":"v"}`, 900 * time.Millisecond},
		"empty inputs": {func(t *testing.T, s syncStream) {
			require.NoError(t, s.Send(task))
			require.NoError(t, s.Send(&admin.ExecuteTaskSyncRequest{}))
			require.NoError(t, s.Send(inputs(nil)))
			require.NoError(t, s.CloseSend())
		}, `{}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				start := time.Now()
				got, err := w.exchange(func(stream syncStream) { tc.send(w.t, stream) })
				require.NoError(w.t, err)
				require.Equal(w.t, core.TaskExecution_SUCCEEDED, got.GetPhase())
				require.Equal(w.t, tc.took, time.Since(start))
				require.JSONEq(w.t, tc.want, string(w.watch().Inputs))
			})
		})
	}
}

func TestSyncWithoutAHeader(t *testing.T) {
	bubble(t, func(w *world) {
		_, err := w.exchange(func(stream syncStream) { require.NoError(w.t, stream.CloseSend()) })
		require.Equal(w.t, codes.InvalidArgument, status.Code(err))
		require.ErrorContains(w.t, err, "header: required")

		_, err = w.exchange(func(stream syncStream) {
			require.NoError(w.t, stream.Send(inputs(nil)))
			require.NoError(w.t, stream.CloseSend())
		})
		require.Equal(w.t, codes.InvalidArgument, status.Code(err))

		start := time.Now()
		_, err = w.exchange(func(syncStream) {})
		require.Equal(w.t, codes.InvalidArgument, status.Code(err), "nothing sent at all is answered, too")
		require.InDelta(w.t, 2500, time.Since(start).Milliseconds(), 5)
		require.Empty(w.t, w.watches())
	})
}

func TestSyncWithAFailingStore(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.fault(failing(errDisk), "Register")
		start := time.Now()
		_, err := w.execute(sendRequest(w.t, "delivered"))
		require.Equal(w.t, codes.Unavailable, status.Code(err))
		require.InDelta(w.t, 2500, time.Since(start).Milliseconds(), 5)

		time.AfterFunc(2*time.Second, func() { w.store.fault(nil, "Register") })
		w.outbox(10*time.Millisecond, []string{"d1"}, func() { w.settle("d1", store.Outcome{State: store.Delivered}) })
		got, err := w.execute(sendRequest(w.t, "delivered"))
		require.NoError(w.t, err)
		require.Equal(w.t, core.TaskExecution_SUCCEEDED, got.GetPhase())
	})
	t.Run("reads", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.store.fault(lockedUp(w.t), "Watch")
			got, err := w.execute(sendRequest(w.t, "delivered"))
			require.NoError(w.t, err)
			require.Equal(w.t, core.TaskExecution_FAILED, got.GetPhase())
			require.Equal(w.t, "still pending: accepted as watch "+w.watch().ID, got.GetMessage())
		})
	})
}

func TestSyncCallerThatLeaves(t *testing.T) {
	bubble(t, func(w *world) {
		ctx, cancel := contextWith(w.t, deadline)
		stream, err := w.sync.ExecuteTaskSync(ctx)
		require.NoError(w.t, err)
		require.NoError(w.t, stream.Send(header(sendRequest(w.t, "delivered"))))
		time.AfterFunc(200*time.Millisecond, cancel)
		_, err = stream.Recv()
		require.Equal(w.t, codes.Canceled, status.Code(err))
	})
}
