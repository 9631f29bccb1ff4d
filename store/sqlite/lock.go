package sqlite

import (
	"context"
	"fmt"
	"os"
	"time"
)

// A lock that is taken is tried for again at this pause, for some time: a command that migrates a
// new store holds it for a moment, and gives it back.
const (
	lockPause       = 50 * time.Millisecond
	serverPatience  = 2 * time.Second
	commandPatience = 5 * time.Second
)

// lock takes the file beside the store that a server holds while it lives, and a command while it
// migrates. It returns the open file that holds it, or nil when it stays taken for as long as
// patience goes, or until needless (which may be nil) says that nothing is to be done with it.
func lock(ctx context.Context, path string, patience time.Duration, needless func() bool) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	ok, err := tryLock(f)
	for end := time.Now().Add(patience); !ok && err == nil && time.Now().Before(end); {
		if needless != nil && needless() {
			break
		}
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
