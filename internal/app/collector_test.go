package app //nolint:testpackage // the decision is not exported

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheHeapHasRoomWhileThereIsMuchToDo(t *testing.T) {
	t.Parallel()
	before := collections()
	percent := normalPercent
	for _, second := range []struct {
		cycles uint64
		want   int
	}{{0, normalPercent}, {2, normalPercent}, {3, roomyPercent}, {1, roomyPercent}, {9, roomyPercent}, {0, normalPercent}} {
		percent = collectorPercent(percent, second.cycles)
		require.Equal(t, second.want, percent, "after %d collections", second.cycles)
	}
	require.GreaterOrEqual(t, collections(), before)
}
