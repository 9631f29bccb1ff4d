package smtp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
)

func TestAMailAboutSeveralExecutionsIsInNoThreadOfOne(t *testing.T) {
	t.Parallel()
	d := &smtp.Destination{To: []string{"ml@example.org"}, Cc: []string{"ops@example.org"}, Subject: "f1 failed"}
	inThread, ok := d.WithRoot(notifier.Receipt{"message_id": "<a@example.org>"}).(notifier.Threaded)
	require.True(t, ok)
	gathered, ok := notifier.Gathered(inThread).(*smtp.Destination)
	require.True(t, ok)
	require.Equal(t, notifier.Apart, gathered.Threading())
	require.Equal(t, &smtp.Destination{To: d.To, Cc: d.Cc, Thread: "none"}, gathered)
}
