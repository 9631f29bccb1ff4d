package app //nolint:testpackage // the decision is not exported

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheHeapHasRoomWhileThereIsMuchToDo(t *testing.T) {
	t.Parallel()
	const small, middling, large = roomyHeap / 8, roomyHeap * 2 / 5, roomyHeap
	percent := normalPercent
	for _, second := range []struct {
		cycles, live uint64
		want         int
	}{
		{0, small, normalPercent},
		{2, small, normalPercent},
		{3, small, roomyPercent},
		{1, small, roomyPercent}, // until it is quiet
		{0, small, normalPercent},
		{9, 0, roomyPercent},
		{9, middling, 150}, // of two fifths to all of it
		{9, large, normalPercent},
		{9, small, roomyPercent},
		{2, middling, 150},
		{2, large, normalPercent},
	} {
		percent = collectorPercent(percent, second.cycles, second.live)
		require.Equal(t, second.want, percent, "after %d collections that left %d bytes", second.cycles, second.live)
	}
}

func TestTheRuntimeSaysWhatItsHeapHolds(t *testing.T) {
	t.Parallel()
	runtime.GC()
	_, live := collections()
	require.NotZero(t, live)
}
