package sqlite

import (
	"context"
	"fmt"
	"os"
	"time"
)

// How long a lock is tried for: a command that migrates a new store holds it for milliseconds.
const (
	lockTries = 10
	lockPause = 50 * time.Millisecond
)

// lock takes the file beside the store that a server holds while it lives, and a command while it
// migrates. It returns the open file that holds it, or nil when it stays taken.
func lock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	ok, err := tryLock(f)
	for try := 1; !ok && err == nil && try < lockTries; try++ {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(lockPause):
			ok, err = tryLock(f)
		}
	}
	if ok {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if err != nil {
		return nil, fmt.Errorf("lock store %s: %w", f.Name(), err)
	}
	return nil, nil
}
