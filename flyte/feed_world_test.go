package flyte_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// inside is a connection to a server in the same goroutine, so that time can be synctest's.
type inside struct {
	methods map[string]func(ctx context.Context, decode func(any) error) (any, error)
}

// RegisterService makes inside a grpc.ServiceRegistrar.
func (c *inside) RegisterService(desc *grpc.ServiceDesc, srv any) {
	for _, m := range desc.Methods {
		c.methods["/"+desc.ServiceName+"/"+m.MethodName] = func(ctx context.Context, decode func(any) error) (any, error) {
			return m.Handler(srv, ctx, decode, nil)
		}
	}
}

// Invoke makes inside a grpc.ClientConnInterface.
func (c *inside) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	answer, err := c.methods[method](ctx, func(in any) error {
		proto.Merge(in.(proto.Message), args.(proto.Message))
		return nil
	})
	if err == nil {
		proto.Merge(reply.(proto.Message), answer.(proto.Message))
	}
	return err
}

// NewStream refuses: flyteadmin has no streams.
func (*inside) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "no streams")
}

// call is one List that a feed made.
type call struct {
	at    time.Time
	names []string
	since time.Time
	rows  int
}

// world is a flyteadmin with a feed on it, and everything that the feed touches.
type world struct {
	t    *testing.T
	sim  *flytesim.Server
	list func(context.Context, flyte.Scope, []string, time.Time) ([]flyte.Row, error)
	feed *flyte.Feed
	log  *lockedBuffer

	mu       sync.Mutex
	names    []string
	calls    []call
	phases   map[string]string
	told     []string // "name PHASE by" of each news
	rows     int
	sinkErr  error
	namesErr error

	cursor     flyte.Cursor
	advances   int
	advanceErr error

	slow    time.Duration // that a read of names takes
	corrupt atomic.Bool   // a page is
}

// whole is production in one shard.
var whole = flyte.Shard{Scope: production, Of: 1}

// period is what the feeds of these tests run with: the defaults, named.
var period = flyte.FeedConfig{Interval: 2 * time.Second, Sweep: 5 * time.Minute, Overlap: 15 * time.Second, Batch: 100}

// newWorld returns a world; it runs nothing yet. Call it within synctest.Test.
func newWorld(t *testing.T, cfg flyte.FeedConfig, opts ...flytesim.Option) *world {
	t.Helper()
	w := &world{t: t, sim: flytesim.New(opts...), phases: map[string]string{}, log: &lockedBuffer{}}
	w.list = w.client(w.sim)
	w.feed = flyte.NewFeed(w, w, w, cfg, slog.New(slog.NewTextHandler(w.log, nil)))
	return w
}

// client returns a call to a flyteadmin.
func (*world) client(sim *flytesim.Server) func(context.Context, flyte.Scope, []string, time.Time) ([]flyte.Row, error) {
	conn := &inside{methods: map[string]func(context.Context, func(any) error) (any, error){}}
	sim.Register(conn)
	return flyte.New(conn, "").List
}

// add creates n executions named after prefix, watched from now on.
func (w *world) add(prefix string, n int) {
	for i := range n {
		name := fmt.Sprintf("%s%05d", prefix, i)
		w.sim.Create(flytesim.Execution{ID: execution(name), Workflow: "w"})
		w.watch(name)
	}
}

func (w *world) watch(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = append(w.names, name)
	slices.Sort(w.names)
}

// run polls in the background until the test ends, or stop is called before.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.feed.Run(ctx, whole, w.tenure()) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(w.t, <-done)
	})
	w.t.Cleanup(stop)
	synctest.Wait()
	return stop
}

// sleep lets time pass.
func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) set(name, phase string, changes ...flytesim.Change) {
	w.sim.SetPhase(execution(name), phase, changes...)
}

// List is the client's, recorded.
func (w *world) List(ctx context.Context, s flyte.Scope, names []string, since time.Time) ([]flyte.Row, error) {
	at := time.Now()
	rows, err := w.list(ctx, s, names, since)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call{at: at, names: slices.Clone(names), since: since, rows: len(rows)})
	return rows, err
}

// Names gives what is watched.
func (w *world) Names(_ context.Context, _ flyte.Shard, after string, limit int) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.namesErr != nil {
		return nil, w.namesErr
	}
	if w.slow > 0 {
		w.mu.Unlock()
		<-time.After(w.slow)
		w.mu.Lock()
	}
	i, found := slices.BinarySearch(w.names, after)
	if found {
		i++
	}
	return slices.Clone(w.names[i:min(i+limit, len(w.names))]), nil
}

// Rows records phases as a store would.
func (w *world) Rows(_ context.Context, _ flyte.Scope, rows []flyte.Row, by flyte.Look) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows += len(rows)
	if w.sinkErr != nil {
		return 0, w.sinkErr
	}
	news := 0
	for _, r := range rows {
		if w.phases[r.Name] != r.Phase {
			w.phases[r.Name] = r.Phase
			w.told = append(w.told, r.Name+" "+r.Phase+" "+map[flyte.Look]string{flyte.ByTime: "time", flyte.ByStart: "start", flyte.BySweep: "sweep"}[by])
			news++
		}
	}
	return news, nil
}

// given is how many rows the sink was given.
func (w *world) given() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rows
}

// fail makes the sink and the source answer these errors from now on.
func (w *world) fail(sink, source error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sinkErr, w.namesErr = sink, source
}

// news returns what was told since the last time, and forgets it.
func (w *world) news() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	return told
}

// made returns the calls since the last time, and forgets them.
func (w *world) made() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

func (w *world) stats() flyte.ShardStats { return w.feed.Stats().Shards[0] }

// tenure goes on where the world's feed came to.
func (w *world) tenure() flyte.Tenure {
	w.mu.Lock()
	defer w.mu.Unlock()
	return flyte.Tenure{Cursor: w.cursor, Advance: w.advance}
}

// advance records a cursor as a store would.
func (w *world) advance(_ context.Context, c flyte.Cursor) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.advanceErr != nil {
		return w.advanceErr
	}
	w.cursor = c
	w.advances++
	return nil
}

// taken is the cursor as it was recorded, and how often one was.
func (w *world) taken() (c flyte.Cursor, times int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cursor, w.advances
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) count(s string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), s)
}
