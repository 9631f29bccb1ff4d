package hooks_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/hooks"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// text is a log that a test reads.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *text) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *text) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// faulty is a store whose writes fail as a test says.
type faulty struct {
	store.Store
	mu   sync.Mutex
	fail func(store.Change) error
}

func (f *faulty) Write(ctx context.Context, c store.Change) error {
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		if err := fail(c); err != nil {
			return err
		}
	}
	return f.Store.Write(ctx, c)
}

func (f *faulty) failing(fail func(store.Change) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// world is a server with two connections of SendGrid, mail and other, and a store with a watch.
type world struct {
	t        testing.TB
	store    *faulty
	server   *hooks.Server
	registry *prometheus.Registry
	log      *text
	keys     map[string]*ecdsa.PrivateKey
}

func newWorld(t testing.TB) *world {
	t.Helper()
	engine, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "n.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	w := &world{
		t: t, store: &faulty{Store: engine}, registry: prometheus.NewRegistry(), log: &text{}, keys: map[string]*ecdsa.PrivateKey{},
	}
	_, err = engine.Register(t.Context(), store.Watch{ID: "w", Kind: store.Follow, State: store.Active, Execution: execution(), CreatedAt: now()})
	require.NoError(t, err)
	w.server = hooks.New(hooks.Options{
		Store: w.store, Connections: w.connections("mail", "other"), Metrics: w.registry, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	return w
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func execution() flyte.ExecutionID {
	return flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "f1"}
}

// connections makes some, each with a key of its own; one that is called keyless has none.
func (w *world) connections(names ...string) *notifier.Connections {
	w.t.Helper()
	all := []*notifier.Connection{{Name: "stdout", Kind: "stdout"}}
	var err error
	all[0].Notifier, err = stdout.Manifest(nil).New(nil, notifier.Deps{})
	require.NoError(w.t, err)
	file := filepath.Join(w.t.TempDir(), "key")
	require.NoError(w.t, os.WriteFile(file, []byte("SG.x"), 0o600))
	for _, name := range names {
		c := sendgrid.Config{APIKey: notifier.Secret{File: file}, From: "flyte@example.org"}
		if name != "keyless" {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(w.t, err)
			der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
			require.NoError(w.t, err)
			w.keys[name], c.EventKey = key, sendgrid.NewEventKey(base64.StdEncoding.EncodeToString(der))
		}
		n, err := sendgrid.New(c, nil)
		require.NoError(w.t, err)
		all = append(all, &notifier.Connection{Name: name, Kind: "sendgrid", Notifier: n})
	}
	return notifier.NewConnections(all, nil)
}

// send stores a delivery of a connection that was delivered.
func (w *world) send(id, connection string, edits ...func(*store.Delivery)) {
	w.t.Helper()
	d := store.Delivery{
		ID: id, Key: id, WatchID: "w", Execution: execution(), Rule: "failed", Kind: "sendgrid", Connection: connection, Address: id,
		State: store.Delivered, CreatedAt: now(), SettledAt: now(), Receipt: notifier.Receipt{"message_id": "m-" + id},
	}
	for _, edit := range edits {
		edit(&d)
	}
	require.NoError(w.t, w.store.Store.Write(w.t.Context(), store.Change{At: now(), Deliveries: []store.Delivery{d}}))
}

func (w *world) delivery(id string) store.Delivery {
	w.t.Helper()
	all, err := w.store.DeliveriesOf(w.t.Context(), []string{id})
	require.NoError(w.t, err)
	require.Len(w.t, all, 1)
	return all[0]
}

// timeline is the watch's, without what the store itself writes.
func (w *world) timeline() (all []string) {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), "w", 0, 10_000)
	require.NoError(w.t, err)
	for _, e := range events {
		if strings.HasPrefix(e.Kind, "mail_") {
			all = append(all, e.Kind+" "+e.Text)
		}
	}
	return all
}

// request is a call, signed now with the key of a connection.
func (w *world) request(path, key, body string) *http.Request {
	w.t.Helper()
	return w.signedAt(time.Now(), path, key, body)
}

func (w *world) signedAt(at time.Time, path, key, body string) *http.Request {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256([]byte(stamp + body))
	der, err := ecdsa.SignASN1(rand.Reader, w.keys[key], sum[:])
	require.NoError(w.t, err)
	r.Header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(der))
	r.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	return r
}

// do hands a call to the server.
func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(answer, r)
	return answer
}

// call tells of events through the connection mail, and returns the status.
func (w *world) call(events ...string) int {
	w.t.Helper()
	return w.do(w.request("/hooks/sendgrid/mail", "mail", "["+strings.Join(events, ",")+"]")).Code
}

// event is one as SendGrid tells it.
func event(id, key, name string, more ...string) string {
	extra := strings.Join(append([]string{""}, more...), ",")
	return fmt.Sprintf(`{"event":%q,"sg_event_id":%q,"flyte_notifier_key":%q,"email":"ada@example.org","timestamp":%d%s}`, name, id, key, time.Now().Unix(), extra)
}

// count is the value of a counter.
func (w *world) count(name, label, value string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "flyte_notifier_hook_"+name && m.GetLabel()[0].GetName() == label && m.GetLabel()[0].GetValue() == value {
				return m.GetCounter().GetValue()
			}
		}
	}
	w.t.Fatalf("no %s{%s=%q}", name, label, value)
	return 0
}
