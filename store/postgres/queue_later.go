package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// later are the connections that came after Work was told of its own, or before it began.
type later struct {
	mu      sync.Mutex
	all     []string
	changed chan struct{} // closed when there are more; nil if nobody asked
}

// WorkAlso is store.Queue's. Queues of connections that are gone are worked on until the server stops, so that
// somebody says so of what they hold.
func (s *Store) WorkAlso(connections []string) {
	l := &s.jobs.later
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range connections {
		if !slices.Contains(l.all, c) {
			l.all = append(l.all, c)
		}
	}
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// now returns those that came so far, and what is closed when there are more.
func (l *later) now() (all []string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return slices.Clone(l.all), l.changed
}

// widen gives a client that works the queues of connections that come later, until ctx ends or it is stopped: one
// that is made anew for them would have to be stopped first, which cuts off jobs at work.
func (j *jobs) widen(ctx context.Context, client *river.Client[pgx.Tx], stopped <-chan struct{}) {
	for ctx.Err() == nil {
		connections, changed := j.later.now()
		retry := make(<-chan time.Time) // never
		for name, q := range j.queues(connections) {
			if err := addQueue(ctx, client, name, q); err != nil && ctx.Err() == nil {
				j.log.WarnContext(ctx, "queue cannot be worked on yet", "queue", name, "error", err)
				retry = time.After(startEvery)
			}
		}
		select {
		case <-ctx.Done():
		case <-stopped:
			return
		case <-changed:
		case <-retry:
		}
	}
}

// addQueue adds a queue that the client may have already. One that cannot be started is taken away again, since
// River would keep it as it is.
func addQueue(ctx context.Context, client *river.Client[pgx.Tx], name string, q river.QueueConfig) error {
	err := client.Queues().Add(name, q)
	if _, known := errors.AsType[*river.QueueAlreadyAddedError](err); err == nil || known {
		return nil
	}
	return errors.Join(err, client.Queues().Remove(ctx, name))
}
