package delivery //nolint:testpackage // the tempo is not exported

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestThoseThatFindNoPlaceComeBackAsFastAsTheLaneSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends tempo
		require.Equal(t, leastLater, sends.later())
		require.Equal(t, leastLater+fastest, sends.later(), "nothing is known yet")

		for range 100 { // ten a second
			time.Sleep(100 * time.Millisecond)
			sends.sent()
		}
		require.Equal(t, leastLater, sends.later(), "whoever came back meanwhile is forgotten")
		var last time.Duration
		for range 30 {
			last = sends.later()
		}
		require.InDelta(t, 2*time.Second, last-leastLater, float64(20*time.Millisecond), "thirty more, two thirds of 100 ms apart")

		time.Sleep(time.Hour) // a break says nothing of the tempo
		sends.sent()
		first, second := sends.later(), sends.later()
		require.Equal(t, leastLater, first)
		require.Less(t, second-first, 150*time.Millisecond)

		for range 100_000 {
			require.LessOrEqual(t, sends.later(), mostLater)
		}
	})
}
