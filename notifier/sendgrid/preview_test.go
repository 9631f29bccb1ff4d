package sendgrid_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
)

// What a preview shows is what a send mails.
func TestAPreviewIsWhatIsMailed(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})
	for _, subject := range []string{"", "train\r\nfailed"} {
		d := &sendgrid.Destination{To: []string{"ada@example.org"}, Subject: subject}
		shown, err := d.Preview(notifiertest.Message())
		require.NoError(t, err)
		_, err = n.Send(t.Context(), d, notifiertest.Message())
		require.NoError(t, err)
		mails := sim.Mails()
		last := mails[len(mails)-1]
		require.Equal(t, notifier.Preview{Subject: last.Subject, Text: last.Text}, shown)
	}
}
