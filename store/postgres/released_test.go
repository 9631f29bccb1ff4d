package postgres_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Statements as servers of the version before notes do them.
const (
	releasedWatch = `INSERT INTO flyte_notifier.watches (id, kind, attempt, state, org, project, domain, name, node, own_org, own_project,
		own_domain, own_name, bucket, own_bucket, wait, phase, version, trace, reason, created_at)
	VALUES ($1, 'follow', 0, 'active', '', 'ml', 'production', 'x', '', '', '', '', '', 0, 0, false, 'RUNNING', 1, '', '', 0)`
	releasedDelivery = `INSERT INTO flyte_notifier.deliveries (seq, id, key, watch_id, org, project, domain, name, rule, reason, kind,
		connection, address, state, head, attempts, next_at, double, created_at, since, spent, trace, last_error, render_error)
	VALUES (nextval('flyte_notifier.deliveries_seq'), $1, '', $2, '', 'ml', 'production', 'x', '', '', 'slack', 'team', '#ml',
		'pending', true, 0, 0, false, 0, 0, 0, '', '', '')`
	releasedPurge = "INSERT INTO flyte_notifier.purged_watches (id) VALUES ($1)"
)

// TestAReleasedStoreGoesOn opens a database as the version before left it, whose servers go on beside.
func TestAReleasedStoreGoesOn(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := connect(t, url)
	run(t, conn, "CREATE SCHEMA flyte_notifier")
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	config.ConnConfig.RuntimeParams["search_path"] = "flyte_notifier"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, stdlib.OpenDBFromPool(pool), os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), 2)
	require.NoError(t, err)
	run(t, conn, releasedWatch, "before")
	run(t, conn, releasedDelivery, "d-before", "before")
	run(t, conn, releasedPurge, "gone")

	s := openAt(t, url)
	run(t, conn, releasedWatch, "beside")
	run(t, conn, releasedDelivery, "d-beside", "beside")
	run(t, conn, releasedPurge, "gone-too")
	for _, id := range []string{"before", "beside"} {
		w, err := s.Watch(t.Context(), id)
		require.NoError(t, err)
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{
			At: testTime(), Superseded: []string{"d-" + id}, Notes: []store.Note{{Kind: "progress", Key: id, WatchID: id}},
		}}))
	}
	found, err := s.DeliveriesOf(t.Context(), []string{"d-before", "d-beside"})
	require.NoError(t, err)
	require.Len(t, found, 2)
	for _, d := range found {
		require.Equal(t, store.Superseded, d.State)
		require.True(t, d.HeldUntil.IsZero())
		require.Empty(t, d.Bundle)
	}
	for _, id := range []string{"gone", "gone-too"} {
		w, err := s.Register(t.Context(), testWatch(id))
		require.NoError(t, err)
		require.Equal(t, store.Ended, w.State)
	}
	require.EqualValues(t, 4, value[int64](t, conn, "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisvalid AND c.relname IN ('notes_due', 'notes_watch', 'deliveries_bundle', 'deliveries_held')"))
}
