package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestARefusalHalfWayIsUndone has a batch in which some writes are refused after they changed something.
func TestARefusalHalfWayIsUndone(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "notifier.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	const insert = "INSERT INTO purged_watches (id) VALUES (?)"
	begun, gathered := make(chan struct{}), make(chan struct{})
	var group errgroup.Group
	group.Go(func() error {
		_, err := write(t.Context(), s, func(*tx) (int, error) { close(begun); <-gathered; return 0, nil })
		return err
	})
	<-begun
	for i := range 40 {
		group.Go(func() error {
			_, err := write(t.Context(), s, func(tx *tx) (int, error) {
				if err := tx.exec(insert, i); err != nil || i%20 != 0 {
					return 0, err
				}
				return 0, store.ErrConflict
			})
			if i%20 == 0 {
				require.ErrorIs(t, err, store.ErrConflict)
				return nil
			}
			return err
		})
	}
	close(gathered)
	require.NoError(t, group.Wait())
	var n int
	require.NoError(t, s.queries.row(t.Context(), "SELECT count(*) FROM purged_watches", nil, &n))
	require.Equal(t, 38, n)
}
