package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// childServe holds the store as a server until it is killed.
func childServe(path string) error {
	if _, err := sqlite.OpenServer(context.Background(), path); err != nil {
		return err
	}
	fmt.Println("serving")
	select {}
}

func TestSecondServerIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	first, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)

	_, err = sqlite.OpenServer(t.Context(), path)
	require.EqualError(t, err, "another flyte-notifier serves this store: "+path)

	_, err = first.Register(t.Context(), testWatch("w"))
	require.NoError(t, err, "the first is as it was")
	require.NoError(t, first.Close())
	second, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)
	_, err = second.Watch(t.Context(), "w")
	require.NoError(t, err)
	require.NoError(t, second.Close())
}

func TestLockGoesWithTheProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	c := startChild(t, "serve", path)
	require.Equal(t, "serving", c.next(t))
	_, err := sqlite.OpenServer(t.Context(), path)
	require.ErrorContains(t, err, "another flyte-notifier serves this store")
	require.ErrorContains(t, err, path)

	c.kill(t)
	s, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestServerWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	first, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, first.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sqlite.OpenServer(ctx, path)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCommandsWorkBesideAServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	server, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	one, two := openAt(t, path), openAt(t, path)

	_, err = one.Register(t.Context(), testWatch("w"))
	require.NoError(t, err)
	for _, s := range []*sqlite.Store{server, one, two} {
		_, err := s.Watch(t.Context(), "w")
		require.NoError(t, err, "all see it at once")
	}
	_, err = server.Register(t.Context(), testWatch("v"))
	require.NoError(t, err)
	_, err = two.Watch(t.Context(), "v")
	require.NoError(t, err)
}
