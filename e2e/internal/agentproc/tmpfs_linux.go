package agentproc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// mountAndRun mounts a tmpfs of the first argument's size on the second and becomes the rest.
const mountAndRun = `mount -t tmpfs -o "size=$0" tmpfs "$1" && shift && exec "$@"`

// OnSmallDisk makes the agent's process see a disk of so many bytes at the store's folder, in a
// mount namespace that nobody else sees and that goes with the process. The store does not outlive
// the process. Where the system forbids such namespaces CheckSmallDisk says so.
func (c *Config) OnSmallDisk(bytes int) {
	c.Command = func(binary string, args ...string) *exec.Cmd {
		all := append([]string{"-c", mountAndRun, strconv.Itoa(bytes), c.storeDir(), binary}, args...)
		cmd := exec.Command("sh", all...)
		cmd.SysProcAttr = namespace()
		return cmd
	}
}

// CheckSmallDisk returns an error where OnSmallDisk cannot work.
func CheckSmallDisk(dir string) error {
	cmd := exec.Command("sh", "-c", mountAndRun, "65536", dir, "true")
	cmd.SysProcAttr = namespace()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mount a small disk: %w: %s", err, out)
	}
	return nil
}

func namespace() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

// FillDisk writes to the process's small disk until nothing fits any more.
func (a *Agent) FillDisk() error {
	f, err := os.Create(a.filler())
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	return nil
}

// FreeDisk takes away what FillDisk wrote.
func (a *Agent) FreeDisk() error {
	if err := os.Remove(a.filler()); err != nil {
		return fmt.Errorf("free the disk: %w", err)
	}
	return nil
}

// filler is a file on the small disk, seen from outside of its namespace.
func (a *Agent) filler() string {
	return filepath.Join("/proc", strconv.Itoa(a.PID()), "root", a.config.storeDir(), "filler")
}
