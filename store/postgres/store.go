// Package postgres is the store on a Postgres database: what several servers share.
//
// Everything is in a schema of its own, flyte_notifier, so that the database may be one that exists, such as
// flyteadmin's. Hot writes go through one batcher a kind (see batcher), each batch one transaction of a few
// statements for all its rows; reads have connections of their own. Transactions lock in one order, so that none
// waits for another that waits for it: watches by id, then notes by kind and key, then deliveries by id, then
// buckets by name. Whoever writes to a watch, its deliveries or its timeline holds the lock of the watch (of one that
// was purged or never was, that of its row in purged_watches); Begin needs deliveries and buckets alone.
//
// Watching is shared by advisory locks (see member), deliveries by River (see queue.go).
package postgres

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Options are how a store is opened.
type Options struct {
	URL     string       // postgres://..., of the database or of a pooler before it
	LockURL string       // the database's own, where URL is that of a pooler in transaction mode
	Log     *slog.Logger // nil: nothing is logged

	// Clock is this server's. It may be off: what servers must agree about is by Postgres' clock. nil: time.Now.
	Clock func() time.Time
}

// Store is a store.Store on one database. It is safe for concurrent use.
type Store struct {
	options Options
	pooled  bool // URL is a pooler's
	pool    *pgxpool.Pool
	hot     *pgxpool.Pool // for batches
	rivers  *pgxpool.Pool // for River
	jobs    *jobs
	clock   *clock

	registers *batcher[*registration]
	moves     *batcher[*movement]
	begins    *batcher[*beginning]
	settles   *batcher[*settlement]
	advances  *batcher[*advancement]

	closing sync.Once
	stop    context.CancelFunc // of what goes on by itself
	going   sync.WaitGroup
	mu      sync.Mutex
	members map[*member]struct{}
}

var _ store.Store = (*Store)(nil)

// Open opens the database for a command, beside other commands and servers. Servers migrate it: one that
// none has migrated to this program's version is refused, and so is one of a newer program.
func Open(ctx context.Context, o Options) (*Store, error) {
	return open(ctx, o, (*Store).checkVersion)
}

// OpenServer opens the database for a server, beside any number of others, and migrates it if need be.
func OpenServer(ctx context.Context, o Options) (*Store, error) {
	return open(ctx, o, (*Store).migrate)
}

func open(ctx context.Context, o Options, prepare func(*Store, context.Context) error) (_ *Store, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{options: o, pooled: o.LockURL != "" && o.LockURL != o.URL, members: map[*member]struct{}{}}
	s.clock = newClock(o.Clock, o.Log)
	defer func() {
		if err != nil {
			_ = s.Close() // the first error tells more
		}
	}()
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if err := prepare(s, ctx); err != nil {
		return nil, hint(err)
	}
	if err := s.clock.measure(ctx, s.pool); err != nil {
		return nil, hint(err)
	}
	if s.jobs, err = newJobs(s.rivers, schema, s.pooled, o.Log, s.clock); err != nil {
		return nil, err
	}
	s.registers = newBatcher(s, s.runRegister)
	s.moves = newBatcher(s, s.runMove)
	s.begins = newBatcher(s, s.runBegin)
	s.settles = newBatcher(s, s.runSettle)
	s.advances = newBatcher(s, s.runAdvance)
	s.keepTime()
	return s, nil
}

// keepTime measures until Close.
func (s *Store) keepTime() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.going.Go(func() { s.clock.keep(ctx, s.pool) })
}

// Close finishes the writes that were begun, gives up the watching and closes all connections. Methods
// called later fail.
func (s *Store) Close() error {
	s.closing.Do(func() {
		if s.stop != nil {
			s.stop()
			s.going.Wait()
		}
		s.leaveAll()
		if s.registers != nil {
			s.registers.Close()
			s.moves.Close()
			s.begins.Close()
			s.settles.Close()
			s.advances.Close()
		}
		for _, pool := range []*pgxpool.Pool{s.hot, s.rivers, s.pool} {
			if pool != nil {
				pool.Close()
			}
		}
	})
	return nil
}
