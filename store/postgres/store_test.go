package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
	"github.com/flyte-notifier/flyte-notifier/store/storetest"
)

// openAt opens a server's store, and closes it when the test ends.
func openAt(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.OpenServer(t.Context(), postgres.Options{URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// empty returns the URL of an empty store, migrated once for all tests.
func empty(t testing.TB) string {
	t.Helper()
	return pgtest.Copy(t, "empty store", func(ctx context.Context, url string) error {
		s, err := postgres.OpenServer(ctx, postgres.Options{URL: url})
		if err != nil {
			return err
		}
		return s.Close()
	})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return openAt(t, empty(t)) })
}
