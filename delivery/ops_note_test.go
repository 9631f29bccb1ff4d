package delivery //nolint:testpackage // what is noted is not exported

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestANoteOfManyDeathsStaysSmall: a connection that is removed may have as many messages.
func TestANoteOfManyDeathsStaysSmall(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000_000, 0)
	one := func(i int) store.Delivery {
		return store.Delivery{ID: fmt.Sprintf("d%032d", i), State: store.Dead, SettledAt: now}
	}
	var dead opsDead
	for i := range 3 * manyLate {
		dead.add(one(i))
	}
	mark := opsMark{Since: now, Late: dead.late(now)}
	raw, err := json.Marshal(mark)
	require.NoError(t, err)
	require.Less(t, len(raw), 15*manyLate)
	told := mark.tells()
	require.True(t, told(one(0)))
	require.True(t, told(one(manyLate-1)))
	require.False(t, told(one(manyLate)), "that is told once more")
	again := one(0)
	again.SettledAt = now.Add(time.Microsecond)
	require.False(t, told(again), "it was redriven")
}
