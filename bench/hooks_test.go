package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

func newTestHooks(t *testing.T, hangs bool) *hooks {
	t.Helper()
	h, err := newHooks(2, hangs)
	require.NoError(t, err)
	t.Cleanup(h.close)
	return h
}

func TestHooksTellWhenAMessageCame(t *testing.T) {
	t.Parallel()
	h := newTestHooks(t, true)
	tell := func(ctx context.Context, to, about int) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.urls[to], strings.NewReader(`{"title":"`+name(about)+` is trained"}`))
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			err = answer.Body.Close()
		}
		return err
	}
	begin := time.Now()
	require.NoError(t, tell(t.Context(), 0, 1))
	first, ok := h.arrived(name(1))
	require.True(t, ok)
	require.WithinRange(t, first, begin, time.Now())
	require.NoError(t, tell(t.Context(), 0, 1))
	again, _ := h.arrived(name(1))
	require.Equal(t, first, again, "the first counts")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, tell(ctx, 1, 2), context.DeadlineExceeded)
	_, ok = h.arrived(name(2))
	require.False(t, ok)

	over, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	require.Equal(t, 1, h.await(over, []string{name(1), name(2)}))
	require.Zero(t, h.await(t.Context(), []string{name(1)}))
}

func TestHooksAreConnectionsOfTheAgent(t *testing.T) {
	t.Parallel()
	h, w, b := newTestHooks(t, false), newTestWorld(t, 0), &bench{dir: t.TempDir()}
	var err error
	w.connections, err = h.connections(b.dir)
	require.NoError(t, err)
	path, _, _, err := b.configure("hooks", "sqlite://x.db", w)
	require.NoError(t, err)
	c, problems, err := config.Load(path, nil, builtin.Registry(io.Discard))
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Len(t, c.Connections, 3)
	require.Equal(t, "webhook", c.Connections["hook-1"].Kind)
	require.Zero(t, c.Connections["hook-1"].Rate.PerSecond)
}
