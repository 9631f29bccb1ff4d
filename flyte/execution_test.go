package flyte_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func TestWhatStartedAnExecution(t *testing.T) {
	t.Parallel()
	by := execution("parent")
	for mode, want := range map[string]struct {
		trigger string
		parent  flyte.ExecutionID
	}{
		"MANUAL":         {"manual", by},
		"SCHEDULED":      {"schedule", by},
		"RELAUNCH":       {"manual", flyte.ExecutionID{}}, // the parent launched its original
		"CHILD_WORKFLOW": {"child_workflow", by},
		"RECOVERED":      {"recovered", by},
		"SYSTEM":         {"system", by},
		"TRIGGER":        {"trigger", by},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := flytesim.New()
			x := trained("a")
			x.Mode, x.Parent = mode, by
			s.Create(x)
			got, err := newClient(t, s).Execution(t.Context(), execution("a"))
			require.NoError(t, err)
			require.Equal(t, want.trigger, got.Trigger)
			require.Equal(t, want.parent, got.Parent)
		})
	}
}

func TestWhatFlyteItselfWouldTell(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	x := trained("a")
	x.Tags = []string{"weekly"}
	x.Notifications = []flyte.Notification{
		{Phases: []string{"FAILED", "TIMED_OUT"}, Kind: flyte.Email, Recipients: []string{"ada@example.org", "ml@example.org"}},
		{Phases: []string{"SUCCEEDED"}, Kind: flyte.Slack, Recipients: []string{"channel@example.slack.com"}},
		{Phases: []string{"ABORTED"}, Kind: flyte.PagerDuty, Recipients: []string{"x@pagerduty.example.org"}},
	}
	s.Create(x)
	want := facts("a")
	want.Tags, want.Notifications = x.Tags, x.Notifications
	got, err := newClient(t, s).Execution(t.Context(), execution("a"))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
}
