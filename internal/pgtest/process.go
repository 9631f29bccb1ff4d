package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
)

// program is one run of one of Postgres's programs.
type program struct {
	name string
	cmd  *exec.Cmd
}

func (s *Server) command(ctx context.Context, name string, args ...string) program {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, apart()
	return program{name: name, cmd: cmd}
}

// run returns what the program said when it fails.
func (p program) run() error {
	var said bytes.Buffer
	p.cmd.Stdout, p.cmd.Stderr = &said, &said
	if err := p.cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", p.name, err, said.Bytes())
	}
	return nil
}

// watchdog is a shell that outlives us, however we end: it reads from a pipe that only we hold, and
// stops the server and removes its folder once the pipe is closed.
type watchdog struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func watch(dir, data string) (*watchdog, error) {
	const script = `read -r _
pid=$(head -n 1 "$2/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && sleep 1
rm -rf "$1"`
	cmd := exec.Command("sh", "-c", script, "watchdog", dir, data)
	cmd.SysProcAttr = alone()
	pipe, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("watch over Postgres: %w", err)
	}
	return &watchdog{cmd: cmd, pipe: pipe}, nil
}

// close ends the watch.
func (w *watchdog) close() error {
	err := w.pipe.Close()
	if _, exit := errors.AsType[*exec.ExitError](w.cmd.Wait()); exit {
		return err // it found nothing to stop
	}
	return err
}
