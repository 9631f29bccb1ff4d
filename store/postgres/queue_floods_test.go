package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestALaneIsFloodedBeyondABurst(t *testing.T) {
	t.Parallel()
	var f floods
	now, busy, quiet := time.Unix(1000, 0), store.Lane{Address: "#busy"}, store.Lane{Address: "#quiet"}
	for i := range 2000 {
		want := usual
		if i >= 32 {
			want = flooding
		}
		require.Equal(t, want, f.priority(busy, flyte.Scope{}, false, now), i)
	}
	require.Equal(t, usual, f.priority(quiet, flyte.Scope{}, false, now))
	now = now.Add(time.Minute - floodBurst - floodEvery)
	require.Equal(t, flooding, f.priority(busy, flyte.Scope{}, false, now), "its flood lasts on")
	now = now.Add(3 * floodEvery)
	require.Equal(t, usual, f.priority(busy, flyte.Scope{}, false, now), "a minute at most")
	for range 1000 { // as fast as is usual
		now = now.Add(floodEvery)
		require.Equal(t, usual, f.priority(quiet, flyte.Scope{}, false, now))
	}
}

func TestLanesAreForgottenOnceTheyAreMany(t *testing.T) {
	t.Parallel()
	var f floods
	now, busy := time.Unix(1000, 0), store.Lane{Address: "#busy"}
	for i := range 3 * manyFloods {
		f.priority(store.Lane{Address: fmt.Sprint("#", i)}, flyte.Scope{}, false, now)
		f.priority(busy, flyte.Scope{}, false, now)
		require.LessOrEqual(t, len(f.streams), manyFloods)
		now = now.Add(floodEvery / 2)
	}
	require.Equal(t, flooding, f.priority(busy, flyte.Scope{}, false, now), "those that are in use are not")
}

func TestWhoFloodsALaneGoesBehindWhoDoesNot(t *testing.T) {
	t.Parallel()
	var f floods
	now, lane := time.Unix(1000, 0), store.Lane{Address: "#busy"}
	noisy, quiet := flyte.Scope{Project: "noisy", Domain: "d"}, flyte.Scope{Project: "quiet", Domain: "d"}
	require.Equal(t, usual, f.priority(lane, quiet, true, now), "reminders of a lane that is not flooded wait for nobody")
	for range 100 {
		f.priority(lane, noisy, false, now)
	}
	require.Equal(t, flooding, f.priority(lane, noisy, false, now))
	require.Equal(t, beside, f.priority(lane, quiet, false, now))
	require.Equal(t, reminding, f.priority(lane, quiet, true, now))
	require.Equal(t, usual, f.priority(store.Lane{Address: "#quiet"}, noisy, false, now), "it floods one lane only")
}
