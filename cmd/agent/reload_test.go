//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// asProgram names the variable that makes the test binary the program itself.
const asProgram = "FLYTE_NOTIFIER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is the program in a process of its own.
type process struct {
	*exec.Cmd
	t      *testing.T
	stderr *output
}

// program starts serve in a process of its own, which is killed when the test ends.
func (w *world) program() *process {
	w.t.Helper()
	p := &process{t: w.t, stderr: newOutput()}
	p.Cmd = exec.CommandContext(w.t.Context(), os.Args[0], "serve", "--config", w.config)
	p.Env, p.Stderr = append(os.Environ(), asProgram+"=1"), p.stderr
	require.NoError(w.t, p.Start())
	return p
}

func (p *process) signal(s syscall.Signal) { require.NoError(p.t, p.Process.Signal(s)) }

// stopped asks the process to stop, and expects it to end well.
func (p *process) stopped() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	require.NoError(p.t, p.Wait(), p.stderr)
}

func TestSIGHUPReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.program()
	p.stderr.await(t, `"msg":"serving"`)
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, `"msg":"config reloaded"`)
	w.change("watch:  {interval: 50ms}", "delivery: {max_attempts: 3}")
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, `"changed":["delivery.max_attempts"],"needs_restart":["watch.interval"]`)
	w.change("defaults: {slack: team-slack", "defaults: {slack: nobody")
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, `"problems":["defaults.slack: unknown connection \"nobody\""]`)
	p.stopped()
	require.Contains(t, p.stderr.String(), `"msg":"stopped"`)
}

// The file is looked at without any signal, too.
func TestAChangedFileIsReloaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, stderr, stop := w.serve()
	w.change("watch:  {interval: 50ms}", "watch: {interval: 50ms}\ndelivery: {max_attempts: 3}")
	stderr.await(t, `"changed":["delivery.max_attempts"],"needs_restart":null`)
	require.Equal(t, 0, stop())
}

// A signal that comes before the server is up does not kill it, and is not forgotten.
func TestSIGHUPBeforeTheServerIsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pipe := filepath.Join(w.dir, "slack")
	require.NoError(t, os.Remove(pipe))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	p := w.program()
	secret, err := os.OpenFile(pipe, os.O_WRONLY, 0) // returns when the program reads it, before it serves
	require.NoError(t, err)
	p.signal(syscall.SIGHUP)
	w.write("later", slackToken)
	require.NoError(t, os.Rename(filepath.Join(w.dir, "later"), pipe)) // read again by then
	_, err = secret.WriteString(slackToken)
	require.NoError(t, err)
	require.NoError(t, secret.Close())
	p.stderr.await(t, `"msg":"serving"`)
	p.stderr.await(t, `"msg":"config reloaded"`)
	p.stopped()
	require.Less(t, strings.Index(p.stderr.String(), "serving"), strings.Index(p.stderr.String(), "config reloaded"))
}
