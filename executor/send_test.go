package executor_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// asSend makes a watch that of a send.
func (b *bench) asSend() func(*store.Watch) {
	custom, err := json.Marshal(spec.SendTask{Send: []spec.Step{{Kind: "stdout", Destination: json.RawMessage(`{}`)}}})
	require.NoError(b.t, err)
	return func(w *store.Watch) { w.ID, w.Kind, w.Custom = "send-"+w.ID, store.Send, custom }
}

func (b *bench) registerSend(name string) store.Watch { return b.register(name, nil, b.asSend()) }

func (b *bench) prepareSend(name string) store.Watch { return b.prepare(name, nil, b.asSend()) }

func TestASendGoesOutAtOnceWithFacts(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", func(x *flyte.Execution) { x.Workflow = "train" })
		w := b.registerSend("f1")
		synctest.Wait()
		require.Equal(b.t, []string{"send send"}, b.told(w.ID))
		got := b.watch(w.ID)
		require.Equal(b.t, store.Ended, got.State)
		require.Equal(b.t, "RUNNING", got.Phase)
	})
}

func TestMissingFactsDelayEverySendByASecondAtMost(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.mu.Lock()
		b.admin.hang = true
		b.admin.mu.Unlock()
		var sends []store.Watch
		for i := range 50 {
			sends = append(sends, b.registerSend(fmt.Sprint("f", i)))
		}
		b.pass(time.Second)
		for _, w := range sends {
			require.Equal(b.t, []string{"send send"}, b.told(w.ID))
		}
	})
}

func TestALookAtItsExecutionDoesNotTakeASendAway(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING")
		b.admin.delay(300 * time.Millisecond)
		b.register("f1", []spec.Rule{onPhases("r", "SUCCEEDED")})
		b.pass(400 * time.Millisecond) // the first look reads facts; the send will, too, when it is done
		custom, err := json.Marshal(spec.SendTask{Send: []spec.Step{{Kind: "stdout", Destination: json.RawMessage(`{}`)}}})
		require.NoError(b.t, err)
		w := b.register("f1", nil, func(w *store.Watch) {
			w.ID, w.Kind, w.Custom, w.Wait = "wsend", store.Send, custom, true
		})
		b.rounds(2)
		require.Equal(b.t, []string{"send send"}, b.told(w.ID))
	})
}
