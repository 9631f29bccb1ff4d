// Package pgtest starts real Postgres servers for tests and benchmarks: nothing of Postgres is
// imitated. The programs are found on PATH or where packages put them; without them tests are
// skipped with a line that says so.
//
// A server lives in a temporary folder, listens on 127.0.0.1 only, and runs as another user where
// the tests run as root, since Postgres refuses to be root. A watchdog stops it and removes its
// folder when the program that started it ends, in whatever way.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Environment names the variable that holds the URL of a server to use instead of one of our own. Its
// user must be allowed to create databases.
const Environment = "FLYTE_NOTIFIER_TEST_POSTGRES"

// ErrNone says that this machine has no Postgres.
var ErrNone = errors.New("no Postgres on this machine")

// Required names the variable that, when set, makes a machine without Postgres a failure: a gate must
// not pass by skipping.
const Required = "FLYTE_NOTIFIER_REQUIRE_POSTGRES"

// patience is how long a server may take for anything.
const patience = time.Minute

// shared is the server of the test binary. It outlives every test of it, so it belongs to none.
var shared = sync.OnceValues(func() (*Server, error) {
	if url := os.Getenv(Environment); url != "" {
		return &Server{given: url}, nil // an origin that Copy makes stays there
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return New(ctx, Options{NoSync: true})
})

// Database returns the URL of a new, empty database, which is dropped when the test ends. The tests of
// a binary share one server; it does not wait for its disk.
func Database(t testing.TB) string {
	t.Helper()
	s, err := shared()
	check(t, err)
	return s.Database(t)
}

// Start starts a server for one test, to stop and kill as it likes.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := New(ctx, o)
	check(t, err)
	t.Cleanup(func() { _ = s.Close() }) // the watchdog does it again
	return s
}

// Copy returns the URL of a new copy of a database that prepare made, once for all tests of the binary that
// give the same name. It must have closed its connections when it returns.
func Copy(t testing.TB, name string, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	s, err := shared()
	check(t, err)
	made, _ := s.origins.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		origin := "origin_" + strings.ToLower(rand.Text())
		if err := s.Exec(ctx, "CREATE DATABASE "+origin); err != nil {
			return "", err
		}
		return origin, prepare(ctx, s.URL(origin))
	}))
	origin, err := made.(func() (string, error))()
	check(t, err)
	return s.database(t, " TEMPLATE "+origin)
}

func check(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrNone) && os.Getenv(Required) == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Database returns the URL of a new, empty database of this server, which is dropped when the test
// ends.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.database(t, "")
}

func (s *Server) database(t testing.TB, options string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := s.Exec(t.Context(), "CREATE DATABASE "+name+options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") // a stopped server takes it along
	})
	return s.URL(name)
}

// Exec runs a statement in the server's own database.
func (s *Server) Exec(ctx context.Context, query string) error {
	_, err := s.value(ctx, query)
	return err
}

// value runs a statement and returns its first value as text, if it has any.
func (s *Server) value(ctx context.Context, query string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL(""))
	if err != nil {
		return "", fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	results, err := conn.PgConn().Exec(ctx, query).ReadAll()
	if err != nil {
		return "", fmt.Errorf("run %q: %w", query, err)
	}
	for _, r := range results {
		if len(r.Rows) > 0 {
			return string(r.Rows[0][0]), nil
		}
	}
	return "", nil
}
