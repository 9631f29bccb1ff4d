package flyte_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func TestFactsOfANode(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.SetNode(execution("a"), "n0", "QUEUED", flytesim.At(created))
	s.SetNode(execution("a"), "n1-0-n2", "RUNNING", flytesim.At(started))
	s.SetNode(execution("a"), "n1-0-n2", "FAILED", flytesim.At(ended), flytesim.Error("SYSTEM", "OOM", "killed"))
	s.SetNode(execution("a"), "n3", "SKIPPED", flytesim.At(ended))
	s.SetNode(execution("a"), "n4", "RUNNING", flytesim.At(started))
	s.SetNode(execution("a"), "n4", "DYNAMIC_RUNNING", flytesim.At(ended))
	c := newClient(t, s)
	for _, want := range []flyte.Node{
		{ID: "n0", Phase: "QUEUED", CreatedAt: created},
		{ID: "n1-0-n2", Phase: "FAILED", CreatedAt: started, StartedAt: started, EndedAt: ended, Error: flyte.ExecutionError{Kind: "SYSTEM", Code: "OOM", Message: "killed"}},
		{ID: "n3", Phase: "SKIPPED", CreatedAt: ended, EndedAt: ended},
		{ID: "n4", Phase: "DYNAMIC_RUNNING", CreatedAt: started, StartedAt: started},
	} {
		got, err := c.Node(t.Context(), execution("a"), want.ID)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	}
	for _, node := range []string{"n9", "", "n\x00"} {
		_, err := c.Node(t.Context(), execution("a"), node)
		require.ErrorIs(t, err, flyte.ErrNotFound, "%q", node)
	}
}

func TestTheFailedNode(t *testing.T) {
	t.Parallel()
	at := func(minutes int) flytesim.Change {
		return flytesim.At(started.Add(time.Duration(minutes) * time.Minute))
	}
	for name, tc := range map[string]struct {
		nodes func(set func(node, phase string, minute int))
		want  string
	}{
		"none": {func(set func(string, string, int)) { set("n0", "SUCCEEDED", 1) }, ""},
		"the only one": {func(set func(string, string, int)) {
			set("n0", "SUCCEEDED", 1)
			set("n1", "FAILED", 2)
		}, "n1"},
		"the first to fail": {func(set func(string, string, int)) {
			set("n0", "FAILED", 3)
			set("n1", "FAILED", 2)
			set("n2", "TIMED_OUT", 4)
		}, "n1"},
		"the innermost": {func(set func(string, string, int)) {
			set("n0-0-n1-0-n2", "FAILED", 1)
			set("n0-0-n1", "FAILED", 2)
			set("n0", "FAILED", 3)
		}, "n0-0-n1-0-n2"},
		"a parent that failed by itself": {func(set func(string, string, int)) {
			set("n0-0-n1", "SUCCEEDED", 1)
			set("n0", "TIMED_OUT", 3)
		}, "n0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := flytesim.New()
			s.Create(trained("a"))
			tc.nodes(func(node, phase string, minute int) { s.SetNode(execution("a"), node, phase, at(minute)) })
			got, err := newClient(t, s).FailedNode(t.Context(), execution("a"))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestTheFailedNodeOfARetriedParentIsOfItsLastAttempt(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.SetNode(execution("a"), "n0-0-n1", "FAILED", flytesim.At(started))
	s.SetNode(execution("a"), "n0-1-n1", "FAILED", flytesim.At(ended))
	s.SetNode(execution("a"), "n0", "FAILED", flytesim.At(ended))
	got, err := newClient(t, s).FailedNode(t.Context(), execution("a"))
	require.NoError(t, err)
	require.Equal(t, "n0-1-n1", got)
}

func TestTheFailedNodeOfAnUnknownExecution(t *testing.T) {
	t.Parallel()
	c := newClient(t, flytesim.New())
	got, err := c.FailedNode(t.Context(), execution("a"))
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = c.FailedNode(t.Context(), execution("a;b"))
	require.ErrorIs(t, err, flyte.ErrNotFound)
}

func TestTerminalPhases(t *testing.T) {
	t.Parallel()
	for phase, want := range map[string]bool{
		"SUCCEEDED": true, "FAILED": true, "ABORTED": true, "TIMED_OUT": true,
		"UNDEFINED": false, "QUEUED": false, "RUNNING": false, "SUCCEEDING": false, "FAILING": false, "ABORTING": false,
	} {
		require.Equal(t, want, flyte.Terminal(phase), phase)
	}
	for phase, want := range map[string]bool{
		"SUCCEEDED": true, "FAILED": true, "ABORTED": true, "TIMED_OUT": true, "SKIPPED": true, "RECOVERED": true,
		"QUEUED": false, "RUNNING": false, "FAILING": false, "DYNAMIC_RUNNING": false,
	} {
		require.Equal(t, want, flyte.NodeTerminal(phase), phase)
	}
}
