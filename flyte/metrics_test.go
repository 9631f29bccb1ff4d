package flyte_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func TestCallsAreCountedByMethodAndCode(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	metrics := prometheus.NewRegistry()
	c, err := flyte.Dial(t.Context(), section(t, map[string]any{"endpoint": endpoint, "insecure": true}), console, flyte.Measured(metrics))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })

	for range 2 {
		_, err = c.Execution(t.Context(), execution("a"))
		require.NoError(t, err)
	}
	_, err = c.Execution(t.Context(), execution("gone"))
	require.ErrorIs(t, err, flyte.ErrNotFound)
	require.NoError(t, testutil.GatherAndCompare(metrics, strings.NewReader(`
# HELP flyte_notifier_admin_calls_total Calls to flyteadmin, by method and code.
# TYPE flyte_notifier_admin_calls_total counter
flyte_notifier_admin_calls_total{code="NotFound",method="GetExecution"} 1
flyte_notifier_admin_calls_total{code="OK",method="GetExecution"} 2
`), "flyte_notifier_admin_calls_total"))
	problems, err := testutil.GatherAndLint(metrics)
	require.NoError(t, err)
	require.Empty(t, problems)
}
