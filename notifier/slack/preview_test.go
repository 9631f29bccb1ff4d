package slack_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// What a preview shows is what a send posts.
func TestAPreviewIsWhatIsPosted(t *testing.T) {
	t.Parallel()
	m := execution(notifier.Failure, "FAILED", "boom & <bust>")
	shown, err := channel("general").Preview(m)
	require.NoError(t, err)
	var preview struct {
		Channel, Text string
		Blocks        json.RawMessage
		Metadata      any
	}
	require.NoError(t, json.Unmarshal(shown.Payload, &preview))
	arrived := posted(t, m)
	require.Equal(t, "#general", preview.Channel)
	require.Equal(t, arrived.Text, preview.Text)
	require.JSONEq(t, string(arrived.Blocks), string(preview.Blocks))
	raw, err := json.Marshal(arrived.Metadata)
	require.NoError(t, err)
	metadata, err := json.Marshal(preview.Metadata)
	require.NoError(t, err)
	require.JSONEq(t, string(raw), string(metadata))
}
