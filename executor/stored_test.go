package executor_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// A time zone that the machine does not know any more makes one rule fail, and no other.
func TestARuleThatCannotBeReadStopsNoOther(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		registry := prometheus.NewRegistry()
		b.exec, b.stop = b.execute(func(o *executor.Options) { o.Metrics = registry })
		b.admin.set("f1", "RUNNING")
		w := b.register("f1", []spec.Rule{onPhases("nightly", "FAILED"), onPhases("failed", "FAILED")}, func(w *store.Watch) {
			w.Custom = bytes.Replace(w.Custom, []byte(`"phases":["FAILED"]`), []byte(`"kind":"deadline","deadline":{"daily":"06:00 Mars/Olympus"}`), 1)
		})
		b.rounds(2)
		b.admin.set("f1", "FAILED")
		b.rounds(20)
		require.Equal(b.t, []string{"failed phase:FAILED"}, b.told(w.ID))
		require.Equal(b.t, store.Ended, b.watch(w.ID).State)
		require.Equal(b.t, []string{"registered", "phase", "error", "phase", "error", "fired"}, b.timeline(w.ID), "once for each phase")
		events, err := b.store.Events(b.t.Context(), w.ID, 0, 10)
		require.NoError(b.t, err)
		require.Equal(b.t, `rule "nightly" cannot be read: unknown time zone "Mars/Olympus", must be one such as Europe/Paris`, events[2].Text)
		require.NoError(b.t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP flyte_notifier_rule_errors_total Rules that failed at run time: their if, or that they cannot be read.
# TYPE flyte_notifier_rule_errors_total counter
flyte_notifier_rule_errors_total 2
`), "flyte_notifier_rule_errors_total"))
	})
}
