package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program whose cost is measured.
type process struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
}

// start runs a program; what it prints goes into the log file. Like all of this program's children
// it dies with it.
func start(log, program string, args ...string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = withParent()
	if err := cmd.Start(); err != nil {
		_ = file.Close() // nothing is in it
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p := &process{cmd: cmd, log: file, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is in its log
	}()
	return p, nil
}

// stop ends the process as an operator would, and by force if that takes too long.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.log.Close() // only the process wrote to it
}

// await calls ready until it is nil, the process has ended, or a minute is over.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.cmd.Path, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w: %s", p.cmd.Path, err, p.lastWords())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (p *process) lastWords() string {
	const most = 2000
	raw, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-most):])
}

// cost is what a process has taken so far.
type cost struct {
	cpu    time.Duration // user and system
	memory float64       // resident, MiB
}

// ticks is the unit of /proc/PID/stat, which Linux fixes for all that read it.
const ticks = 100

// cost reads what the process has taken.
func (p *process) cost() (c cost, err error) {
	dir := "/proc/" + strconv.Itoa(p.cmd.Process.Pid)
	raw, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return c, fmt.Errorf("read the cost of a process: %w", err)
	}
	if c.cpu, err = cpuOf(string(raw)); err != nil {
		return c, err
	}
	kib, err := field(dir+"/status", "VmRSS:")
	if err != nil {
		return c, err
	}
	c.memory = float64(kib) / 1024
	return c, nil
}

// cpuOf reads user and system time, the 14th and 15th field; the second holds any character.
func cpuOf(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("read the cost of a process: its stat is short")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the cost of a process: %w", err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the cost of a process: %w", err)
	}
	return time.Duration(user+system) * (time.Second / ticks), nil
}

// field reads a number behind its name in a file of /proc.
func field(path, name string) (int64, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	for line := range strings.Lines(string(raw)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == name {
			return strconv.ParseInt(words[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("read %s: not in %s", name, path)
}

// freeAddresses finds two addresses of this machine that nobody listens on.
func freeAddresses() (first, second string, err error) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", fmt.Errorf("find a free port: %w", err)
	}
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		_ = a.Close() // the first error tells more
		return "", "", fmt.Errorf("find a free port: %w", err)
	}
	return a.Addr().String(), b.Addr().String(), errors.Join(a.Close(), b.Close())
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// port is that of an address.
func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
