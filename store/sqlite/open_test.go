package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

func TestOpenCreatesPrivateFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	s, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Ping(t.Context()))
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Len(t, files, 4, "the file, its log, its shared memory and its lock: %s", files)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
	}
	require.NoError(t, s.Close())
	require.NoFileExists(t, path+"-wal", "the last to close leaves one file to copy")
}

func TestOpenTakesAnyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space.db", "a?mode=memory&b.db", "100%25.db", "#1.db", "Größe-世界.db", ":memory:", "file:x.db", "'\"`.db"} {
		path := filepath.Join(t.TempDir(), name)
		s, err := sqlite.Open(t.Context(), path)
		require.NoError(t, err, name)
		_, err = s.Register(t.Context(), testWatch("w"))
		require.NoError(t, err, name)
		require.NoError(t, s.Close())
		info, err := os.Stat(path)
		require.NoError(t, err, name)
		require.NotZero(t, info.Size())
		again := openAt(t, path)
		_, err = again.Watch(t.Context(), "w")
		require.NoError(t, err, name)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing", "notifier.db")
	_, err := sqlite.Open(t.Context(), missing)
	require.EqualError(t, err, fmt.Sprintf("open store %s: folder %s does not exist", missing, filepath.Dir(missing)))

	_, err = sqlite.OpenServer(t.Context(), dir)
	require.ErrorContains(t, err, dir)

	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte("this is no database, but it is long enough to be read as the header of one, and longer still"), 0o600))
	_, err = sqlite.Open(t.Context(), garbage)
	require.ErrorContains(t, err, garbage)
	require.ErrorContains(t, err, "not a database")
	content, err := os.ReadFile(garbage)
	require.NoError(t, err)
	require.Contains(t, string(content), "this is no database", "it is left as it was")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sqlite.Open(ctx, filepath.Join(dir, "cancelled.db"))
	require.ErrorIs(t, err, context.Canceled)
}

// childOpen opens the store as a command does, and leaves.
func childOpen(path string) error {
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	if _, err := s.Register(context.Background(), testWatch(fmt.Sprint("w", os.Getpid()))); err != nil {
		return err
	}
	return s.Close()
}

func TestManyOpenANewFileAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	children := make([]*child, 4)
	for i := range children {
		children[i] = startChild(t, "open", path)
	}
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			s, err := sqlite.Open(t.Context(), path)
			if err != nil {
				return err
			}
			return s.Close()
		})
	}
	require.NoError(t, group.Wait())
	for _, c := range children {
		require.Empty(t, c.rest())
		require.NoError(t, c.cmd.Wait())
	}
	s := openAt(t, path)
	watches, _, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, watches["active"])
}

func TestMigrationsAreForwardOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	s := openAt(t, path)
	_, err := s.Register(t.Context(), testWatch("w"))
	require.NoError(t, err)
	db := rawOpen(t, path)

	_, err = db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	require.NoError(t, err)
	for _, open := range []func(context.Context, string) (*sqlite.Store, error){sqlite.Open, sqlite.OpenServer} {
		_, err = open(t.Context(), path)
		require.ErrorContains(t, err, "written by a newer flyte-notifier")
		require.ErrorContains(t, err, path)
	}
	_, err = db.Exec("DELETE FROM goose_db_version WHERE version_id = 9999")
	require.NoError(t, err)
	again := openAt(t, path)
	_, err = again.Watch(t.Context(), "w")
	require.NoError(t, err)
}

func TestCommandDoesNotMigrateUnderAServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	server, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	db := rawOpen(t, path)
	_, err = db.Exec("DELETE FROM goose_db_version WHERE version_id > 0")
	require.NoError(t, err)

	_, err = sqlite.Open(t.Context(), path)
	require.ErrorContains(t, err, "stop that first")
	require.ErrorContains(t, err, path)
}
