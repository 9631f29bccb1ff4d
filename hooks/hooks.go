// Package hooks is the door for services that call us to tell what became of messages, on a listener of its own that
// may be reached from the internet: SendGrid's signed event webhook.
//
// Whoever calls is a stranger until the notifier has checked the signature. So there are bounds to everything before:
// connections, calls at a time and a second, the size of a call and the time it takes; and those from whose address a
// signed call came before share no bound with strangers but that of connections. What is told becomes
// remarks on deliveries in the store, each once, before the call is answered. This package knows no service; the
// notifiers' Heard does.
package hooks

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// The bounds of what strangers can use up. Calls beyond them are answered with 429 or 503, so that the service comes again.
const (
	mostConnections = 64
	mostFromOne     = 16      // connections of one address that is no proxy of ours
	mostAtOnce      = 16      // calls that are read and recorded at a time, each of mostBytes at most: of services, and of strangers
	mostBytes       = 1 << 20 // of a call; SendGrid's have 768 KiB at most
	perSecond       = 100     // calls of services, and as many of strangers
	burst           = 200
	longestHeaders  = 16 << 10
	headersWithin   = 5 * time.Second
	readWithin      = 15 * time.Second // the headers and the body
	bodyWithin      = 3 * time.Second  // and a second for each
	bytesPerSecond  = 128 << 10        // that the headers announce
	writtenWithin   = 30 * time.Second // answered, from the end of the headers
	idleFor         = 30 * time.Second
	recordedWithin  = 10 * time.Second
	stopWithin      = 5 * time.Second

	strangerPerSecond = 10 // calls of one address
	strangerBurst     = 20
	strangerAtOnce    = 4
	mostStrangers     = 2048           // whose calls are counted by address
	mostProven        = 512            // addresses of services that are remembered
	provenFor         = 72 * time.Hour // since the last call
)

// Store is what is needed of the store.
type Store interface {
	Notes(ctx context.Context, kind string, keys []string) ([]store.Note, error)
	DueNotes(ctx context.Context, kind string, now time.Time, after store.Note, limit int) ([]store.Note, error)
	DeliveriesOf(ctx context.Context, ids []string) ([]store.Delivery, error)
	Write(ctx context.Context, c store.Change) error
}

// Options are what a server is made of; all are required.
type Options struct {
	Store       Store
	Connections *notifier.Connections
	Metrics     prometheus.Registerer
	Log         *slog.Logger
}

// Server takes the calls. It is safe for concurrent use.
type Server struct {
	store       Store
	log         *slog.Logger
	metrics     *metrics
	connections atomic.Pointer[notifier.Connections]
	callers     *callers
	refusals    map[string]*rate.Sometimes // that are logged, by result: strangers must not fill the log
}

// New returns a server that listens nowhere yet.
func New(o Options) *Server {
	s := &Server{
		store: o.Store, log: o.Log, metrics: newMetrics(o.Metrics),
		callers: newCallers(), refusals: map[string]*rate.Sometimes{},
	}
	for _, result := range results() {
		s.refusals[result] = &rate.Sometimes{First: 1, Interval: time.Minute}
	}
	s.Reload(o.Connections)
	return s
}

// Reload has calls go by these connections from now on.
func (s *Server) Reload(c *notifier.Connections) { s.connections.Store(c) }

// Handler answers POST /hooks/<notifier>/<connection>, and nothing else.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks/{notifier}/{connection}", s.serve)
	return mux
}
