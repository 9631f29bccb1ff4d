//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// TestFullDisk is played by a process of its own, whose files may not grow for a while.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	c := startChild(t, "full", filepath.Join(t.TempDir(), "notifier.db"))
	require.Equal(t, []string{"recovered"}, c.rest())
	require.NoError(t, c.cmd.Wait())
}

// childFull fills a store with many callers, takes the disk away, gives it back, and checks that
// errors came promptly, that reads went on, and that what was answered is there.
func childFull(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	s, err := sqlite.OpenServer(ctx, path)
	if err != nil {
		return err
	}
	written, err := fill(s, "before", 20)
	if err != nil {
		return fmt.Errorf("with room: %w", err)
	}
	if err := check(s, written); err != nil { // so that readers hold the log
		return fmt.Errorf("with room: %w", err)
	}
	log, err := os.Stat(path + "-wal")
	if err != nil {
		return err
	}
	if err := limitFiles(uint64(log.Size()) + 40<<10); err != nil { // room for a little more
		return err
	}
	began := time.Now()
	some, err := fill(s, "during", 200)
	written = append(written, some...)
	if err == nil {
		return errors.New("writes went on without room")
	}
	if text := err.Error(); !strings.Contains(text, "register watch during") || errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("an error that says nothing: %w", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		return fmt.Errorf("errors took %s", took)
	}
	if err := s.Ping(ctx); err == nil {
		return errors.New("ping found nothing wrong")
	}
	if err := check(s, written); err != nil {
		return fmt.Errorf("without room: %w", err)
	}
	if err := limitFiles(math.MaxUint64); err != nil {
		return err
	}
	if err := s.Ping(ctx); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	some, err = fill(s, "after", 50)
	if err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if err := check(s, append(written, some...)); err != nil {
		return err
	}
	fmt.Println("recovered")
	return s.Close()
}

// limitFiles sets to which size this process may write files.
func limitFiles(size uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(size, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// fill registers watches at once and returns those that were answered, and one of the errors.
func fill(s *sqlite.Store, name string, n int) ([]string, error) {
	var group errgroup.Group
	answered := make([]string, n)
	for i := range n {
		group.Go(func() error {
			id := fmt.Sprintf("%s-%d", name, i)
			if _, err := s.Register(context.Background(), testWatch(id)); err != nil {
				return err
			}
			answered[i] = id
			return nil
		})
	}
	err := group.Wait()
	var ids []string
	for _, id := range answered {
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids, err
}

func check(s *sqlite.Store, ids []string) error {
	for _, id := range ids {
		if _, err := s.Watch(context.Background(), id); err != nil {
			return err
		}
	}
	return nil
}
