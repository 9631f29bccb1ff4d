package postgres_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

func TestServersThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			s, err := postgres.OpenServer(t.Context(), postgres.Options{URL: url})
			if err != nil {
				return err
			}
			defer func() { _ = s.Close() }()
			return s.Ping(t.Context())
		})
	}
	require.NoError(t, group.Wait())
	conn := connect(t, url)
	require.EqualValues(t, 1, value[int64](t, conn, "SELECT count(*) FROM flyte_notifier.goose_db_version WHERE version_id = 1"))
	require.Zero(t, value[int64](t, conn, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
		"the database may be another program's")
}

func TestCommandsWorkBesideServers(t *testing.T) {
	t.Parallel()
	url := empty(t)
	server := openAt(t, url)
	insert(t, server, "w")
	command, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	require.NoError(t, err)
	defer func() { require.NoError(t, command.Close()) }()
	w, err := command.Watch(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, "w", w.ID)
	require.NoError(t, server.Settle(t.Context(), "d-w", store.Outcome{State: store.Dead, At: testTime()}))
	refused, err := command.Redrive(t.Context(), []string{"d-w"}, testTime())
	require.NoError(t, err)
	require.Empty(t, refused)
	due, err := server.Due(t.Context(), testLane(), testTime(), 10)
	require.NoError(t, err)
	require.Len(t, due, 1)
}

func TestCommandsNeedTheirSchema(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	open := func() error {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if err == nil {
			err = s.Close()
		}
		return err
	}
	require.ErrorContains(t, open(), "no flyte-notifier has served this database yet")
	s := openAt(t, url)
	require.NoError(t, open())
	conn := connect(t, url)
	run(t, conn, "INSERT INTO flyte_notifier.goose_db_version (version_id, is_applied) VALUES (999, true)")
	require.ErrorContains(t, open(), "newer flyte-notifier (schema 999")
	run(t, conn, "DELETE FROM flyte_notifier.goose_db_version WHERE version_id > 1")
	require.ErrorContains(t, open(), "has schema 1, this program needs")
	require.NoError(t, s.Ping(t.Context()), "a server that runs goes on")
}

// TestServersGoOnWithANewerSchema starts a server again while a newer version takes over.
func TestServersGoOnWithANewerSchema(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	openAt(t, url)
	conn := connect(t, url)
	run(t, conn, "INSERT INTO flyte_notifier.goose_db_version (version_id, is_applied) VALUES (999, true)")
	run(t, conn, "ALTER TABLE flyte_notifier.watches ADD COLUMN later text NOT NULL DEFAULT 'x'")
	run(t, conn, "ALTER TABLE flyte_notifier.deliveries ADD COLUMN later text")
	run(t, conn, "ALTER TABLE flyte_notifier.events ADD COLUMN later text")
	run(t, conn, "ALTER TABLE flyte_notifier.shards ADD COLUMN later text")
	var log bytes.Buffer
	s, err := postgres.OpenServer(t.Context(), postgres.Options{URL: url, Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Contains(t, log.String(), "a newer flyte-notifier has migrated the store")
	insert(t, s, "w")
	_, _, err = s.Claim(t.Context(), flyteShard())
	require.NoError(t, err)
	_, err = s.Begin(t.Context(), "d-w", 0, testTime(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Settle(t.Context(), "d-w", store.Outcome{Attempt: 1, State: store.Delivered, At: testTime()}))
	all, err := s.WatchDeliveries(t.Context(), "w")
	require.NoError(t, err)
	require.Len(t, all, 1)
}

// TestPoolerInTransactionMode uses nothing that such a pooler does not have, with a connection of its own for
// locks.
func TestPoolerInTransactionMode(t *testing.T) {
	t.Parallel()
	direct := empty(t)
	pooler := strings.Replace(direct, "127.0.0.1", "localhost", 1)
	s, err := postgres.OpenServer(t.Context(), postgres.Options{URL: pooler, LockURL: direct})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	insert(t, s, "w")
	require.Equal(t, []int{3}, round(t, someShards(3), join(t, s)))
	for range 3 {
		_, err = s.Names(t.Context(), flyteShard(), testTime(), "", 10)
		require.NoError(t, err)
		require.NoError(t, s.Ping(t.Context()))
	}
	oldest, err := s.OldestDue(t.Context(), testTime())
	require.NoError(t, err)
	require.Equal(t, testTime(), oldest)
}

// TestPoolerWithoutLockURL has a pooler that takes no parameters of connections, as they do.
func TestPoolerWithoutLockURL(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			pooler := pgproto3.NewBackend(conn, conn)
			if _, err := pooler.ReceiveStartupMessage(); err == nil {
				pooler.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: tcp_user_timeout"})
				_ = pooler.Flush()
			}
			_ = conn.Close()
		}
	}()
	for _, open := range []func(context.Context, postgres.Options) (*postgres.Store, error){postgres.Open, postgres.OpenServer} {
		_, err = open(t.Context(), postgres.Options{URL: "postgres://tester:secret@" + l.Addr().String() + "/x?sslmode=disable"})
		require.ErrorContains(t, err, "store.lock_url")
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestErrorsShowNoPassword(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-pass"
	given, err := url.Parse(pgtest.Database(t))
	require.NoError(t, err)
	with := func(edit func(u *url.URL)) string {
		u := *given
		u.User = url.UserPassword("tester", secret)
		edit(&u)
		return u.String()
	}
	for name, bad := range map[string]string{
		"no URL":           "postgres://tester:" + secret + "@ho st:5432/x",
		"a bad port":       "postgres://tester:" + secret + "#" + secret + "@host/x",
		"a bad escape":     "postgres://tester:%" + secret + "@host:5432/x",
		"a bad parameter":  with(func(u *url.URL) { u.RawQuery = "pool_max_conns=many" }),
		"nobody listens":   with(func(u *url.URL) { u.Host = "127.0.0.1:1" }),
		"no such database": with(func(u *url.URL) { u.Path = "/nothing-here" }),
		"no such user":     with(func(u *url.URL) { u.User = url.UserPassword("nobody", secret) }),
	} {
		_, err := postgres.OpenServer(t.Context(), postgres.Options{URL: bad})
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secret, name)
		_, err = postgres.Open(t.Context(), postgres.Options{URL: bad})
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secret, name)
	}
}

func TestASchemaMadeBeforehandIsEnough(t *testing.T) {
	t.Parallel()
	given := pgtest.Database(t)
	conn := connect(t, given)
	role := "r_" + strings.ToLower(rand.Text())
	run(t, conn, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, _ = conn.Exec(ctx, "DROP OWNED BY "+role+" CASCADE")
		_, _ = conn.Exec(ctx, "DROP ROLE "+role)
	})
	run(t, conn, "CREATE SCHEMA flyte_notifier AUTHORIZATION "+role) // no CREATE on the database
	u, err := url.Parse(given)
	require.NoError(t, err)
	u.User = url.UserPassword(role, "secret")
	insert(t, openAt(t, u.String()), "w")
}

func TestLocksOfAnotherDatabaseAreRefused(t *testing.T) {
	t.Parallel()
	_, err := postgres.OpenServer(t.Context(), postgres.Options{URL: pgtest.Database(t), LockURL: pgtest.Database(t)})
	require.ErrorContains(t, err, "store.lock_url leads to another database than store.url")
}

// TestRiverKnowsItsIndexes compares what River is told to rebuild with what there is: it would complain of more, and what
// it is not told of would only grow.
func TestRiverKnowsItsIndexes(t *testing.T) {
	t.Parallel()
	conn := connect(t, empty(t))
	rows, err := conn.Query(t.Context(), "SELECT indexname FROM pg_indexes WHERE schemaname = 'flyte_notifier' AND tablename = 'river_job' ORDER BY 1")
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, postgres.RiverIndexes(), names)
}
