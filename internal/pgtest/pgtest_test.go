package pgtest_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
)

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var value string
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func TestDatabasesAreApartAndGoWithTheirTest(t *testing.T) {
	t.Parallel()
	var first string
	t.Run("one", func(t *testing.T) {
		first = pgtest.Database(t)
		exec1(t, first, "CREATE TABLE marks (x int)")
	})
	second := pgtest.Database(t)
	require.NotEqual(t, first, second)
	require.Equal(t, "0", query(t, second, "SELECT count(*)::text FROM pg_tables WHERE tablename = 'marks'"))
	_, err := pgx.Connect(t.Context(), first)
	require.ErrorContains(t, err, "does not exist")
}

func TestCopiesAreOfOneOrigin(t *testing.T) {
	t.Parallel()
	made := 0
	prepare := func(_ context.Context, url string) error {
		made++
		exec1(t, url, "CREATE TABLE marks AS SELECT 7 AS x")
		return nil
	}
	name := rand.Text() // one of this run's own
	first, second := pgtest.Copy(t, name, prepare), pgtest.Copy(t, name, prepare)
	require.Equal(t, 1, made)
	exec1(t, first, "DELETE FROM marks")
	require.Equal(t, "1", query(t, second, "SELECT count(*)::text FROM marks"))
}

func TestServerStopsAndStarts(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"work_mem": "5MB"}})
	db := s.Database(t)
	require.Equal(t, "5MB", query(t, db, "SHOW work_mem"))
	require.Equal(t, "on", query(t, db, "SHOW fsync"))
	exec1(t, db, "CREATE TABLE marks (x int)")
	for _, mode := range []pgtest.Mode{pgtest.Fast, pgtest.Immediate, pgtest.Killed} {
		before := s.Pid()
		require.NoError(t, s.Stop(mode))
		require.Zero(t, s.Pid())
		_, err := pgx.Connect(t.Context(), db)
		require.Error(t, err)
		require.NoError(t, s.Start(t.Context()))
		require.NotEqual(t, before, s.Pid())
		require.Equal(t, "0", query(t, db, "SELECT count(*)::text FROM marks"), "what was committed is there")
	}
}

func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{})
	standby, err := s.Standby(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = standby.Close() })
	exec1(t, s.URL(""), "CREATE TABLE marks AS SELECT 7 AS x")
	either := pgtest.URL("", s, standby)
	require.NoError(t, s.Stop(pgtest.Killed))
	require.NoError(t, standby.Promote(t.Context()))
	require.Equal(t, "7", query(t, either, "SELECT x::text FROM marks"))
	exec1(t, either, "INSERT INTO marks VALUES (8)")
}

// TestServerEndsWithItsProgram kills a program that started a server.
func TestServerEndsWithItsProgram(t *testing.T) {
	t.Parallel()
	const role = "PGTEST_PROGRAM"
	if os.Getenv(role) != "" {
		s := pgtest.Start(t, pgtest.Options{NoSync: true})
		_, _ = os.Stdout.WriteString("\n" + s.URL("") + "\n")
		select {} // until killed
	}
	pgtest.Database(t) // skips without Postgres
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServerEndsWithItsProgram$", "-test.v")
	cmd.Env = append(os.Environ(), role+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var address string
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		if u, err := url.Parse(lines.Text()); err == nil && u.Scheme == "postgres" {
			address = lines.Text()
		}
	}
	require.Equal(t, "1", query(t, address, "SELECT 1::text"))
	folder := query(t, address, "SHOW data_directory")
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool {
		_, err := os.Stat(folder)
		return os.IsNotExist(err)
	}, 30*time.Second, 50*time.Millisecond)
	_, err = pgx.Connect(t.Context(), address)
	require.Error(t, err)
}
