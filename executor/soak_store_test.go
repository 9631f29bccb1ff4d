package executor_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// soakStore is the store as one server sees it: now and then a write fails, and it may have happened or not;
// and once the server has died, nothing reaches the store any more.
type soakStore struct {
	executor.Store
	fate    fate // guarded by mu
	weather *weather

	mu    sync.Mutex
	all   []flyte.Shard // as they were found at found: nothing here is about finding them each second
	found time.Time
	next  map[string]time.Time // what is due first, by kind, until something is written: nor about asking each second
	wrote int
	fails float64 // of how many writes
	armed bool    // the next write kills
	dead  bool
	died  chan struct{}
}

var (
	errSoakStore = errors.New("the store failed")
	errSoakDead  = errors.New("the server is dead")
)

// arm makes the server die around its next write.
func (s *soakStore) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = true
}

// draw says what becomes of a write: whether it happens, and what is answered.
func (s *soakStore) draw() (happens bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dead:
		return false, errSoakDead
	case s.armed:
		s.dead = true
		close(s.died)
		return s.fate.chance(0.5), errSoakDead
	case s.fate.chance(s.fails):
		s.weather.bump()
		return s.fate.chance(0.5), errSoakStore
	}
	return true, nil
}

// write does a write, or not.
func (s *soakStore) write(ctx context.Context, do func(context.Context) error) error {
	happens, failed := s.draw()
	if happens {
		s.forget()
		defer s.forget()
		if failed != nil {
			ctx = context.WithoutCancel(ctx)
		}
		if err := do(ctx); err != nil {
			return err
		}
	}
	return failed
}

// NextBundle is remembered as what is due is.
func (s *soakStore) NextBundle(ctx context.Context) (time.Time, error) {
	return s.nextOf("bundle", func() (time.Time, error) { return s.Store.NextBundle(ctx) })
}

// forget forgets when notes and bundles are due.
func (s *soakStore) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = map[string]time.Time{}
	s.wrote++
}

func (s *soakStore) NextDue(ctx context.Context, kind string) (time.Time, error) {
	return s.nextOf(kind, func() (time.Time, error) { return s.Store.NextDue(ctx, kind) })
}

// nextOf asks the store unless that is known.
func (s *soakStore) nextOf(kind string, ask func() (time.Time, error)) (time.Time, error) {
	s.mu.Lock()
	at, ok := s.next[kind]
	wrote := s.wrote
	s.mu.Unlock()
	if ok {
		return at, nil
	}
	at, err := ask()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && wrote == s.wrote && s.next != nil {
		s.next[kind] = at
	}
	return at, err
}

func (s *soakStore) DueNotes(ctx context.Context, kind string, now time.Time, after store.Note, limit int) ([]store.Note, error) {
	s.mu.Lock()
	at, ok := s.next[kind]
	s.mu.Unlock()
	if ok && (at.IsZero() || at.After(now)) {
		return nil, nil
	}
	return s.Store.DueNotes(ctx, kind, now, after, limit)
}

func (s *soakStore) Move(ctx context.Context, t store.Transition) error {
	return s.write(ctx, func(ctx context.Context) error { return s.Store.Move(ctx, t) })
}

func (s *soakStore) Write(ctx context.Context, c store.Change) error {
	return s.write(ctx, func(ctx context.Context) error { return s.Store.Write(ctx, c) })
}

func (s *soakStore) Advance(ctx context.Context, shard flyte.Shard, epoch int64, c flyte.Cursor) error {
	return s.write(ctx, func(ctx context.Context) error { return s.Store.Advance(ctx, shard, epoch, c) })
}

func (s *soakStore) Register(ctx context.Context, w store.Watch) (stored store.Watch, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		stored, err = s.Store.Register(ctx, w)
		return err
	})
	return stored, err
}

func (s *soakStore) Shards(ctx context.Context) (all []flyte.Shard, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.found) < soakInterval/2 {
		return s.all, nil
	}
	if s.all, err = s.Store.Shards(ctx); err == nil {
		s.found = time.Now()
	}
	return s.all, err
}
