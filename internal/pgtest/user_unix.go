//go:build unix

package pgtest

import (
	"fmt"
	"os"
	osuser "os/user"
	"strconv"
	"syscall"
)

// alone keeps a process away from the signals of our terminal.
func alone() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// apart is alone, and as another user where we are root.
func apart() *syscall.SysProcAttr {
	attr := alone()
	if os.Geteuid() == 0 {
		uid, gid := servant()
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return attr
}

// give lets the server's user have the folder.
func give(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid := servant()
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return fmt.Errorf("give Postgres its folder: %w", err)
	}
	return nil
}

// servant is the user that runs servers for root: Postgres's own, or nobody's usual number.
func servant() (uid, gid uint32) {
	const nobody = 65534
	for _, name := range []string{"postgres", "nobody"} {
		u, err := osuser.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		if gid, err := strconv.ParseUint(u.Gid, 10, 32); err == nil {
			return uint32(uid), uint32(gid)
		}
	}
	return nobody, nobody
}
