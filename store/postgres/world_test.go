package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func testTime() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func testScope() flyte.Scope { return flyte.Scope{Project: "ml", Domain: "production"} }

func testLane() store.Lane { return store.Lane{Connection: "team", Address: "#ml"} }

func testWatch(id string) store.Watch {
	return store.Watch{
		ID: id, Kind: store.Follow, State: store.Active, CreatedAt: testTime(),
		Execution: flyte.ExecutionID{Scope: testScope(), Name: "x-" + id},
		Outputs:   []string{"phase"}, Custom: []byte(`{"rules":[{"name":"failed"}]}`),
	}
}

// testDelivery is a delivery of a watch, due at once.
func testDelivery(watchID string) store.Delivery {
	return store.Delivery{
		ID: "d-" + watchID, Key: watchID + "/failed", WatchID: watchID,
		Execution: flyte.ExecutionID{Scope: testScope(), Name: "x-" + watchID},
		Rule:      "failed", Kind: "slack", Connection: "team", Address: "#ml", Content: []byte(`{}`),
		State: store.Pending, NextAt: testTime(), CreatedAt: testTime(), Since: testTime(),
	}
}

// insert registers a watch and moves it with its delivery.
func insert(t testing.TB, s store.Store, id string) {
	t.Helper()
	require.NoError(t, add(t.Context(), s, id, testDelivery(id)))
}

// add registers a watch and moves it with deliveries.
func add(ctx context.Context, s store.Store, id string, deliveries ...store.Delivery) error {
	w, err := s.Register(ctx, testWatch(id))
	if err != nil {
		return err
	}
	return s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: deliveries}})
}

// connect opens a connection beneath the store, as an operator with psql would.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func run(t testing.TB, conn *pgx.Conn, query string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), query, args...)
	require.NoError(t, err)
}

// value is the only value of a query.
func value[T any](t testing.TB, conn *pgx.Conn, query string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, conn.QueryRow(t.Context(), query, args...).Scan(&v))
	return v
}

// freeze takes a table away from everybody until thaw is called.
func freeze(t testing.TB, url, table string) (thaw func()) {
	t.Helper()
	conn := connect(t, url)
	run(t, conn, "BEGIN")
	run(t, conn, "LOCK TABLE flyte_notifier."+table+" IN ACCESS EXCLUSIVE MODE")
	return func() { run(t, conn, "ROLLBACK") }
}
