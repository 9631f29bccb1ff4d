package delivery //nolint:testpackage // the tempo is not exported

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// sendEvery lets a lane send, while somebody waits or not.
func sendEvery(t *tempo, every time.Duration, n int, waits bool) {
	for range n {
		if waits {
			t.later()
		}
		time.Sleep(every)
		t.sent()
	}
}

// spread is how much later the last of so many comes back than the first.
func spread(t *tempo, n int) time.Duration {
	first := t.later()
	last := first
	for range n - 1 {
		last = t.later()
	}
	return last - first
}

func TestThoseThatFindNoPlaceComeBackAsFastAsTheLaneSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends tempo
		require.Equal(t, leastLater, sends.later())
		require.Equal(t, leastLater+fastest, sends.later(), "nothing is known yet")

		sendEvery(&sends, 100*time.Millisecond, 100, true)
		time.Sleep(time.Minute)
		require.InDelta(t, 2*time.Second, spread(&sends, 31), float64(50*time.Millisecond), "two thirds of 100 ms apart")
	})
}

func TestALaneWithLittleToSendIsNotSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends tempo
		sendEvery(&sends, 900*time.Millisecond, 100, false)
		require.Less(t, spread(&sends, 600), time.Second, "nobody had to wait for those sends")
	})
}

func TestNobodyIsSentFarAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends tempo
		sendEvery(&sends, 900*time.Millisecond, 100, true)
		for range 10_000 {
			require.LessOrEqual(t, sends.later(), longestTempo)
		}
		sendEvery(&sends, time.Millisecond, 100, true) // a place is free again
		require.Less(t, sends.later(), 2*time.Second)
	})
}
