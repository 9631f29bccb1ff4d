package render_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
)

// happened is a content of the i-th thing that happened.
func happened(i int, reason, phase string) render.Content {
	at := time.Date(2026, 11, 21, 23, 40, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute)
	return render.Content{Data: render.Data{Name: fmt.Sprint("f", i), Workflow: "train", Phase: phase, Reason: reason, At: at, Inputs: map[string]any{"rows": 1}}}
}

func TestADigestCountsAndLists(t *testing.T) {
	t.Parallel()
	quiet := happened(3, "phase:SUCCEEDED", "SUCCEEDED")
	quiet.Template.Title = "f3 is done"
	quiet.Data.ConsoleURL = "https://flyte.example.org/f3"
	c := render.NewDigest([]render.Content{
		happened(2, "running_for:2h0m0s", "RUNNING"), happened(1, "phase:FAILED", "FAILED"), quiet, happened(4, "phase:FAILED", "FAILED"),
		happened(5, "node:n1:FAILED", "RUNNING"), happened(6, "gate:ship-it", "RUNNING"), happened(0, "deadline:6h", "RUNNING"),
	})
	m, err := render.Message(c, "d1")
	require.NoError(t, err)
	require.Equal(t, "7 messages: 2 × FAILED, 1 × running long, 1 × SUCCEEDED, 1 × node FAILED, 1 × waiting for an answer, 1 × deadline missed", m.Title)
	require.Equal(t, notifier.Failure, m.Status)
	require.Equal(t, "2026-11-21 23:46", m.Time.Format("2006-01-02 15:04"), "the last")
	require.Empty(t, m.Reason, "there are several")
	require.Equal(t, []string{
		"• 2026-11-21 23:40 UTC  train missed its deadline: 6h after its start (f0)",
		"• 2026-11-21 23:41 UTC  train FAILED (f1)",
		"• 2026-11-21 23:42 UTC  train has been running for 2h (f2)",
		"• 2026-11-21 23:43 UTC  f3 is done  https://flyte.example.org/f3",
	}, strings.Split(m.Body, "\n")[:4])
	require.Len(t, m.Items, 7)
	require.Equal(t, notifier.Item{Time: quiet.Data.At, Text: "f3 is done", URL: "https://flyte.example.org/f3"}, m.Items[3])
	require.Zero(t, m.More)
	require.Empty(t, c.Data.Inputs)
}

// TestADigestOfDigests is the same as one of all that they stand for, however they were put together.
func TestADigestOfDigests(t *testing.T) {
	t.Parallel()
	var all []render.Content
	for i := range 200 {
		all = append(all, happened(i, "phase:FAILED", []string{"FAILED", "TIMED_OUT", "TIMED_OUT", "ABORTED", "ABORTED", "ABORTED"}[i%6]))
	}
	want, err := render.Message(render.NewDigest(all), "d1")
	require.NoError(t, err)
	require.Len(t, want.Items, 30)
	require.Equal(t, 170, want.More)
	require.True(t, strings.HasSuffix(want.Body, "\n… and 170 more"), want.Body)
	for range 20 {
		parts := append([]render.Content{}, all...)
		for len(parts) > 20 {
			rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			n := 2 + rand.N(10)
			raw, err := render.NewDigest(parts[:n]).Marshal()
			require.NoError(t, err)
			one, err := render.Unmarshal(raw)
			require.NoError(t, err)
			parts = append(parts[n:], one)
		}
		got, err := render.Message(render.NewDigest(parts), "d1")
		require.NoError(t, err)
		got.Vars, want.Vars = nil, nil // of one of the worst
		require.Empty(t, cmp.Diff(want, got))
	}
}
