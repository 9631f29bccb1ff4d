package flyte_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func TestWhenANodeTimesOut(t *testing.T) {
	t.Parallel()
	minute := func(n int) time.Time { return created.Add(time.Duration(n) * time.Minute) }
	for name, tc := range map[string]struct {
		started, attempt, now, want int // minutes; 0 for none
	}{
		"queued":                         {now: 1, want: 120},
		"the first attempt":              {started: 1, now: 60, want: 61},
		"some later attempt":             {started: 1, now: 61, want: 120},
		"started late":                   {started: 90, now: 91, want: 120},
		"known to be the first":          {started: 1, attempt: 1, now: 2, want: 61},
		"the first, queued by its task":  {started: 2, attempt: 1, now: 2, want: 62},
		"known to be a later one":        {started: 1, attempt: 31, now: 32, want: 91},
		"the last, cut by the whole":     {started: 1, attempt: 62, now: 63, want: 120},
		"over, but propeller looks late": {started: 1, attempt: 31, now: 92, want: 91},
	} {
		n := flyte.Node{CreatedAt: created, Timeout: time.Hour}
		if tc.started > 0 {
			n.StartedAt = minute(tc.started)
		}
		if tc.attempt > 0 {
			n.AttemptStartedAt = minute(tc.attempt)
		}
		require.Equal(t, minute(tc.want), n.TimesOutAt(minute(tc.now)), name)
	}
	require.Zero(t, flyte.Node{CreatedAt: created, StartedAt: started}.TimesOutAt(started), "no limit")
}

func TestTheAttemptThatRuns(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.SetNode(execution("a"), "n0", "RUNNING", flytesim.At(started))
	c := newClient(t, s)
	node, err := c.Node(t.Context(), execution("a"), "n0")
	require.NoError(t, err)
	attempt := func() time.Time {
		got, err := c.Attempt(t.Context(), execution("a"), node)
		require.NoError(t, err)
		require.Equal(t, started, got.StartedAt)
		return got.AttemptStartedAt
	}
	require.Zero(t, attempt())
	s.SetAttempt(execution("a"), "n0", 0, "QUEUED", flytesim.At(started))
	s.SetAttempt(execution("a"), "n0", 0, "FAILED", flytesim.At(ended))
	require.Equal(t, started, attempt())
	for i := range 11 { // as numbers, not as texts
		s.SetAttempt(execution("a"), "n0", i, "RUNNING", flytesim.At(ended.Add(time.Duration(i))))
	}
	require.Equal(t, ended.Add(10), attempt())

	_, err = c.Attempt(t.Context(), execution("a"), flyte.Node{})
	require.ErrorIs(t, err, flyte.ErrNotFound)
	got, err := c.Attempt(t.Context(), execution("nobody"), flyte.Node{ID: "n0"})
	require.NoError(t, err)
	require.Zero(t, got.AttemptStartedAt)
	s.SetFault("ListTaskExecutions", flytesim.Fault{Code: codes.Internal})
	_, err = c.Attempt(t.Context(), execution("a"), node)
	require.Equal(t, codes.Internal, status.Code(err))
	require.ErrorContains(t, err, "find attempt of node n0 of ml/production/a")
}
