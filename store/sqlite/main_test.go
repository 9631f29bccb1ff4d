package sqlite_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childEnv names the part that this test binary plays when a test starts it again as a process of
// its own; childPath is the store's file.
const (
	childEnv  = "SQLITE_TEST_CHILD"
	childPath = "SQLITE_TEST_PATH"
)

func TestMain(m *testing.M) {
	part := os.Getenv(childEnv)
	if part == "" {
		os.Exit(m.Run())
	}
	parts := map[string]func(path string) error{
		"serve": childServe,
		"write": childWrite,
		"open":  childOpen,
		"full":  childFull,
	}
	if err := parts[part](os.Getenv(childPath)); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a process that plays a part, and what it prints.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startChild(t *testing.T, part, path string) *child {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+part, childPath+"="+path)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return &child{cmd: cmd, lines: bufio.NewScanner(out)}
}

// next returns the next line that the child prints; it fails when there is none.
func (c *child) next(t *testing.T) string {
	t.Helper()
	require.True(t, c.lines.Scan(), "the child ended: %v", c.lines.Err())
	return c.lines.Text()
}

// rest returns all lines until the child's output ends.
func (c *child) rest() []string {
	var all []string
	for c.lines.Scan() {
		all = append(all, c.lines.Text())
	}
	return all
}

// kill ends the child as kill -9 does, and returns what it had printed until then.
func (c *child) kill(t *testing.T) []string {
	t.Helper()
	require.NoError(t, c.cmd.Process.Kill())
	rest := c.rest()
	require.Error(t, c.cmd.Wait())
	return rest
}
