package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestReminders(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"w|ml/production/f1||failed|phase:FAILED|0|send[0]":      false,
		"w|ml/production/f1||failed|phase:FAILED|1|send[0]":      true,
		"w|ml/production/f1||failed|phase:FAILED|12|send[3]":     true,
		"w|ml/production/f1||failed|phase:FAILED|12|fallback[0]": false,
		"w|f1|slow|running_for:1h|3|escalate[0].send[0]":         false,
		"w|f1|r|phase:FAILED|send[0]":                            false,
		"w|f1|slow|running_for:1h|3|escalate[0].fallback[1]":     false,
		"": false, "x": false, "1|": false, "1|send[0]": true, "|": false, "a|b": false,
	} {
		require.Equal(t, want, store.Delivery{Key: key}.Reminder(), key)
	}
}

func TestFallbacks(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"w|f1||failed|phase:FAILED|0|fallback[0]": true, "w|f1|slow|running_for:1h|3|escalate[0].fallback[1]": true,
		"w|f1||failed|phase:FAILED|0|send[0]": false, "w|f1||fallback[x]|phase:FAILED|0|send[0]": false,
		"w|f1||failed|signal:fallback[0]|0|escalate[1].send[0]": false, "fallback[0]": true, "": false,
	} {
		require.Equal(t, want, store.Delivery{Key: key}.Fallback(), key)
	}
}
