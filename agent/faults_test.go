package agent_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// faulty is a store whose methods fail, hang or panic as a test wants.
type faulty struct {
	store.Registry
	mu     sync.Mutex
	faults map[string]func(context.Context) error
	calls  map[string]int
}

// fault makes the methods meet f before they do anything; nil heals them.
func (s *faulty) fault(f func(context.Context) error, methods ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range methods {
		s.faults[m] = f
	}
}

func (s *faulty) meet(ctx context.Context, method string) error {
	s.mu.Lock()
	f := s.faults[method]
	s.calls[method]++
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (s *faulty) called(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

func (s *faulty) Register(ctx context.Context, w store.Watch) (store.Watch, error) {
	if err := s.meet(ctx, "Register"); err != nil {
		return w, err
	}
	return s.Registry.Register(ctx, w)
}

func (s *faulty) Watch(ctx context.Context, id string) (store.Watch, error) {
	if err := s.meet(ctx, "Watch"); err != nil {
		return store.Watch{}, err
	}
	return s.Registry.Watch(ctx, id)
}

func (s *faulty) Cancel(ctx context.Context, id string, attempt uint32, reason string, now time.Time) error {
	if err := s.meet(ctx, "Cancel"); err != nil {
		return err
	}
	return s.Registry.Cancel(ctx, id, attempt, reason, now)
}

func (s *faulty) WatchDeliveries(ctx context.Context, id string) ([]store.Delivery, error) {
	if err := s.meet(ctx, "WatchDeliveries"); err != nil {
		return nil, err
	}
	return s.Registry.WatchDeliveries(ctx, id)
}

func (s *faulty) Events(ctx context.Context, id string, after int64, limit int) ([]store.Event, error) {
	if err := s.meet(ctx, "Events"); err != nil {
		return nil, err
	}
	return s.Registry.Events(ctx, id, after, limit)
}

// reads are the store's methods that GetTask may call.
func reads() []string { return []string{"Watch", "WatchDeliveries"} }

func failing(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// hanging answers when its context ends, as SQL drivers do.
func hanging(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// lockedUp answers never, as a disk that hangs does; the test's end sets it free.
func lockedUp(t *testing.T) func(context.Context) error {
	free := make(chan struct{})
	t.Cleanup(func() { close(free) })
	return func(context.Context) error { <-free; return io.ErrClosedPipe }
}
