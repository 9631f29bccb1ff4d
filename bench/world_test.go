package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

func newTestWorld(t *testing.T, n int) *world {
	t.Helper()
	w, err := newWorld(n)
	require.NoError(t, err)
	t.Cleanup(w.close)
	return w
}

// A change is seen with the answer that carries it, and posted with the message that names it.
func TestWorldFollowsAChange(t *testing.T) {
	t.Parallel()
	w := newTestWorld(t, 3)
	conn, err := grpc.NewClient(w.endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	client := service.NewAdminServiceClient(conn)
	look := func() {
		_, err := client.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: identifier(1)})
		require.NoError(t, err)
	}
	look()
	w.fail(1)
	seen, posted, lost := w.latencies()
	require.Empty(t, seen)
	require.Empty(t, posted)
	require.Equal(t, 1, lost)
	look()
	seen, posted, lost = w.latencies()
	require.Len(t, seen, 1)
	require.Empty(t, posted)
	require.Equal(t, 1, lost)
	require.Equal(t, `{"ok":true,"channel":"C1","ts":"`, post(t, w, "chat.postMessage", name(1)+" FAILED")[:32])
	seen, posted, lost = w.latencies()
	require.Len(t, seen, 1)
	require.Len(t, posted, 1)
	require.Zero(t, lost)
	require.EqualValues(t, 2, w.gets.Load())
	require.EqualValues(t, 1, w.slack.posts.Load())
}

func post(t *testing.T, w *world, method, text string) string {
	t.Helper()
	form := url.Values{"channel": {"C1"}, "text": {text}, "blocks": {`[{"text":"text=bx"}]`}}
	answer, err := http.PostForm(w.slack.url+method, form)
	require.NoError(t, err)
	defer answer.Body.Close()
	body := make([]byte, 1000)
	n, _ := answer.Body.Read(body)
	return string(body[:n])
}

func TestSlackKnowsItsChannels(t *testing.T) {
	t.Parallel()
	w := newTestWorld(t, 0)
	require.Contains(t, post(t, w, "conversations.info", ""), `"id":"C1"`)
	require.Zero(t, w.slack.posts.Load())
}

func TestNamesInMessages(t *testing.T) {
	t.Parallel()
	require.Equal(t, name(7), nameIn("the run "+name(7)+" FAILED"))
	for _, text := range []string{"", "nothing", namePrefix, name(7)[:19]} {
		require.Empty(t, nameIn(text))
	}
	require.Equal(t, "a b", value("text=a+b&x=y", "text"))
	require.Empty(t, value("context=a", "text"))
}

// What a store is filled with is what the engine itself reads: names in their buckets, deliveries
// that can be purged, counts that are right.
func TestFilling(t *testing.T) {
	t.Parallel()
	type kind struct {
		url  func(*testing.T) string
		open func(ctx context.Context, url string) (store.Store, error)
		fill func(ctx context.Context, url string, f filling) error
	}
	for engine, k := range map[string]kind{
		"sqlite": {
			url: func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "notifier.db") },
			open: func(ctx context.Context, url string) (store.Store, error) {
				return sqlite.Open(ctx, strings.TrimPrefix(url, "sqlite://"))
			},
			fill: fillSQLite,
		},
		"postgres": {
			url: func(t *testing.T) string { return pgtest.Database(t) },
			open: func(ctx context.Context, url string) (store.Store, error) {
				return postgres.OpenServer(ctx, postgres.Options{URL: url})
			},
			fill: fillPostgres,
		},
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			url := k.url(t)
			s, err := k.open(t.Context(), url)
			require.NoError(t, err)
			seed(t, s)
			require.NoError(t, s.Close())
			require.NoError(t, k.fill(t.Context(), url, filling{watches: 100, deliveries: 200}))
			s, err = k.open(t.Context(), url)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			names, err := s.Names(t.Context(), flyte.Shard{Scope: scope, Of: 1}, time.Now(), "", 1000)
			require.NoError(t, err)
			require.Len(t, names, 100)
			require.Contains(t, names, name(99))
			watches, deliveries, err := s.Counts(t.Context())
			require.NoError(t, err)
			require.Equal(t, 100, watches[store.Active])
			require.Equal(t, 201, deliveries[store.Delivered])
			purged, err := s.Purge(t.Context(), time.Now().Add(-100*24*time.Hour), time.Now().Add(-100*24*time.Hour), 1000)
			require.NoError(t, err)
			require.InDelta(t, 200*265/365, purged, 3, "their ages are spread over the year")
		})
	}
}

// seed leaves one watch that runs, and one delivery that arrived.
func seed(t *testing.T, s store.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	w, d, err := failure(0)
	require.NoError(t, err)
	w, err = s.Register(ctx, w)
	require.NoError(t, err)
	w.Phase = "RUNNING"
	require.NoError(t, s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	_, err = s.Begin(ctx, d.ID, 0, now, nil)
	require.NoError(t, err)
	require.NoError(t, s.Settle(ctx, d.ID, store.Outcome{Attempt: 1, State: store.Delivered, At: now}))
}

// The indexes and triggers that filling took away are back.
func TestFillingPutsTheSchemaBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	seed(t, s)
	require.NoError(t, s.Close())
	before := schema(t, path)
	require.NoError(t, fillSQLite(t.Context(), "sqlite://"+path, filling{deliveries: 10}))
	require.Equal(t, before, schema(t, path))
}

func schema(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY 1")
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var one string
		require.NoError(t, rows.Scan(&one))
		all = append(all, one)
	}
	require.NoError(t, rows.Err())
	return strings.Join(all, "\n")
}

func TestTasksAreAsDescribed(t *testing.T) {
	t.Parallel()
	first, second := create(1, ownSpec(1)), create(2, ownSpec(2))
	require.NotEqual(t, first.GetOutputPrefix(), second.GetOutputPrefix())
	require.Contains(t, first.GetOutputPrefix(), name(1))
	require.Equal(t, name(2), waiting(1)["watch"].(object)["execution"].(object)["name"]) //nolint:forcetypeassert // as it is made
	require.Len(t, name(0), len(name(999_999)))
	require.Equal(t, fmt.Sprintf("%s%018d", namePrefix, 5), name(5))
}
