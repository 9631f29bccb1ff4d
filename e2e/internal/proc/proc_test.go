package proc_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/proc"
)

func start(t *testing.T, script string) (*proc.Process, *proc.Log) {
	t.Helper()
	t.Parallel()
	log := &proc.Log{}
	p, err := proc.Start(exec.Command("sh", "-c", script), log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p, log
}

// said waits until the process has printed the text.
func said(t *testing.T, log *proc.Log, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(log.Lines(text)) > 0 }, 20*time.Second, 5*time.Millisecond)
}

func TestStopReturnsTheExitCode(t *testing.T) {
	p, log := start(t, `trap 'echo "out of here" >&2; exit 3' TERM; echo ready; while :; do sleep 0.01; done`)
	said(t, log, "ready")
	code, err := p.Stop(20 * time.Second)
	require.NoError(t, err)
	require.Equal(t, 3, code)
	require.Equal(t, []string{"out of here"}, log.Lines("here"))
	code, err = p.Stop(time.Second)
	require.NoError(t, err, "a process that has ended")
	require.Equal(t, 3, code)
}

func TestStopKillsTheStubborn(t *testing.T) {
	p, log := start(t, `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	said(t, log, "ready")
	_, err := p.Stop(50 * time.Millisecond)
	require.ErrorContains(t, err, "still ran")
	<-p.Done()
}

func TestKillWaitsForTheEnd(t *testing.T) {
	p, _ := start(t, `sleep 5; true`) // the sleep is a grandchild, which outlives the kill
	require.NotZero(t, p.PID())
	require.NoError(t, p.Kill())
	select {
	case <-p.Done():
	default:
		t.Fatal("it still runs")
	}
	require.NoError(t, p.Kill(), "twice is no error")
}

func TestAFrozenProcessGoesOnWhenItIsThawed(t *testing.T) {
	p, log := start(t, `trap 'echo thawed; exit 0' TERM; echo ready; while :; do sleep 0.01; done`)
	said(t, log, "ready")
	require.NoError(t, p.Freeze())
	require.NoError(t, p.Terminate())
	select {
	case <-p.Done():
		t.Fatal("it is not frozen")
	case <-time.After(200 * time.Millisecond):
	}
	require.NoError(t, p.Thaw())
	said(t, log, "thawed")
	<-p.Done()
	require.Error(t, p.Freeze(), "it is over")
}

func TestAMissingCommandIsAnError(t *testing.T) {
	t.Parallel()
	_, err := proc.Start(exec.Command("/there/is/no/such/command"), &proc.Log{})
	require.ErrorContains(t, err, "start /there/is/no/such/command")
}
