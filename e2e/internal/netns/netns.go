// Package netns puts a process behind network links of its own, which a test can make swallow
// everything: neither side of a connection sees its end, as when a switch or a firewall fails.
package netns

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
)

// The hardware addresses of a link's ends, and of nobody. Each link is a wire of its own.
const (
	outsideMAC = "02:00:00:00:00:01"
	insideMAC  = "02:00:00:00:00:02"
	nowhere    = "02:00:00:00:00:99"
)

// links counts the links of this process.
var links atomic.Int32

// Namespace is a network without anything but loopback and its links. It belongs to a process that
// does nothing else, and goes with it.
type Namespace struct {
	t   testing.TB
	pid string
}

// Link joins a namespace and the network of the test. Both of its ends have an address of
// 198.18.0.0/15, which no real network has.
type Link struct {
	space           *Namespace
	Outside, Inside netip.Addr
	outward, inward string // names of the devices
}

// New makes a namespace that goes with the test. It skips the test where the system forbids that.
func New(t testing.TB) *Namespace {
	t.Helper()
	if err := check(); err != nil {
		t.Skip(err)
	}
	holder := exec.Command("cat") // until its input ends: with this process at the latest
	holder.SysProcAttr = apart()
	hold, err := holder.StdinPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		t.Skipf("no network namespace can be made: %v", err)
	}
	t.Cleanup(func() { end(t, hold, holder) })
	n := &Namespace{t: t, pid: strconv.Itoa(holder.Process.Pid)}
	n.inside("ip", "link", "set", "lo", "up")
	return n
}

func check() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	for _, name := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("network namespaces need %s: %w", name, err)
		}
	}
	return nil
}

func end(t testing.TB, hold io.Closer, holder *exec.Cmd) {
	if err := errors.Join(hold.Close(), holder.Wait()); err != nil {
		t.Errorf("end the namespace: %v", err)
	}
}

// Command is a command that runs in the namespace, as a child of the caller.
func (n *Namespace) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", n.pid, "--net", name}, args...)...)
}

// Link joins the namespace and the network of the test once more.
func (n *Namespace) Link() *Link {
	n.t.Helper()
	// Four addresses a link: of them two can be used. Several test binaries run at once.
	count := links.Add(1)
	base := uint32(os.Getpid()%(1<<11))<<6 + uint32(count%(1<<4))<<2
	l := &Link{
		space: n, Outside: address(base + 1), Inside: address(base + 2),
		outward: fmt.Sprintf("fn%xo%d", os.Getpid(), count), inward: fmt.Sprintf("fn%xi%d", os.Getpid(), count),
	}
	n.outside("ip", "link", "add", l.outward, "address", outsideMAC, "type", "veth",
		"peer", "name", l.inward, "address", insideMAC, "netns", n.pid)
	n.t.Cleanup(func() { _ = exec.Command("ip", "link", "delete", l.outward).Run() }) // the namespace's end does it, too, but later
	n.outside("ip", "address", "add", l.Outside.String()+"/30", "dev", l.outward)
	n.outside("ip", "link", "set", l.outward, "up")
	n.inside("ip", "address", "add", l.Inside.String()+"/30", "dev", l.inward)
	n.inside("ip", "link", "set", l.inward, "up")
	return l
}

// address is one of 198.18.0.0/15.
func address(offset uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18 + byte(offset>>16&1), byte(offset >> 8), byte(offset)})
}

// Cut makes the link swallow everything from now on, in both directions.
func (l *Link) Cut() {
	l.space.t.Helper()
	l.outsideSees(nowhere)
	l.insideSees(nowhere)
}

// Mend ends what Cut began.
func (l *Link) Mend() {
	l.space.t.Helper()
	l.outsideSees(insideMAC)
	l.insideSees(outsideMAC)
}

func (l *Link) outsideSees(mac string) {
	l.space.outside("ip", "neighbor", "replace", l.Inside.String(), "lladdr", mac, "dev", l.outward, "nud", "permanent")
}

func (l *Link) insideSees(mac string) {
	l.space.inside("ip", "neighbor", "replace", l.Outside.String(), "lladdr", mac, "dev", l.inward, "nud", "permanent")
}

func (n *Namespace) outside(name string, args ...string) string {
	n.t.Helper()
	return n.run(exec.Command(name, args...))
}

func (n *Namespace) inside(name string, args ...string) string {
	n.t.Helper()
	return n.run(n.Command(name, args...))
}

func (n *Namespace) run(cmd *exec.Cmd) string {
	n.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v: %s", cmd, err, out)
	}
	return string(out)
}
