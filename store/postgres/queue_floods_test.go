package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestALaneIsFloodedBeyondABurst(t *testing.T) {
	t.Parallel()
	var f floods
	now, busy, quiet := time.Unix(1000, 0), store.Lane{Address: "#busy"}, store.Lane{Address: "#quiet"}
	for i := range 2000 {
		want := usual
		if i >= 32 {
			want = flooded
		}
		require.Equal(t, want, f.priority(busy, now), i)
	}
	require.Equal(t, usual, f.priority(quiet, now))
	now = now.Add(time.Minute - floodBurst - floodEvery)
	require.Equal(t, flooded, f.priority(busy, now), "its flood lasts on")
	now = now.Add(3 * floodEvery)
	require.Equal(t, usual, f.priority(busy, now), "a minute at most")
	for range 1000 { // as fast as is usual
		now = now.Add(floodEvery)
		require.Equal(t, usual, f.priority(quiet, now))
	}
}

func TestLanesAreForgottenOnceTheyAreMany(t *testing.T) {
	t.Parallel()
	var f floods
	now, busy := time.Unix(1000, 0), store.Lane{Address: "#busy"}
	for i := range 3 * manyFloods {
		f.priority(store.Lane{Address: fmt.Sprint("#", i)}, now)
		f.priority(busy, now)
		require.LessOrEqual(t, len(f.lanes), manyFloods)
		now = now.Add(floodEvery / 2)
	}
	require.Equal(t, flooded, f.priority(busy, now), "those that are in use are not")
}
