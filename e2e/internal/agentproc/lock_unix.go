//go:build unix

package agentproc

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// The byte range of SQLite's wal-index that readers, writers and checkpoints lock.
const (
	walLockStart = 120
	walLockCount = 8
)

// LockStore makes every read and write of the agent's store wait, as a disk that hangs does, until
// the returned function is called.
func (a *Agent) LockStore() (unlock func() error, err error) {
	f, err := os.OpenFile(a.StorePath()+"-shm", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: walLockStart, Len: walLockCount}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLKW, &lock); err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	return f.Close, nil // closing lets go of the lock
}
