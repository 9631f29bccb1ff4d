package delivery_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// queue is a store.Queue in a bubble: deliveries of a real store, handed out by the clock, to any
// number of outboxes.
type queue struct {
	*sqlite.Store

	mu   sync.Mutex
	jobs map[string]*job
	due  []store.Delivery // heads, as read then
	next map[order]bool   // behind those heads there are others
	read time.Time        // zero: to be read anew
	poke chan struct{}
}

// order is what deliveries keep theirs in.
type order struct {
	watch string
	store.Lane
}

func orderOf(d store.Delivery) order {
	return order{d.WatchID, store.Lane{Connection: d.Connection, Address: d.Address}}
}

// job is the wake-up of a delivery.
type job struct {
	at   time.Time // when it is handed out next
	busy bool
}

func newQueue(s *sqlite.Store) *queue {
	return &queue{Store: s, jobs: map[string]*job{}, poke: make(chan struct{}, 1)}
}

// wake looks at what is due, now.
func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed()
}

// changed has the heads read anew.
func (q *queue) changed() {
	q.read = time.Time{}
	q.look()
}

// look has what is due handed out.
func (q *queue) look() {
	select {
	case q.poke <- struct{}{}:
	default:
	}
}

// Work is store.Queue's, for all connections.
func (q *queue) Work(ctx context.Context, _ []string, grace time.Duration, do func(context.Context, store.Delivery) time.Duration) error {
	var wg sync.WaitGroup
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	for ctx.Err() == nil {
		next := time.Now().Add(time.Second)
		for _, d := range q.known(ctx) {
			j, at := q.take(d)
			if j == nil {
				if at.Before(next) {
					next = at
				}
				continue
			}
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(work, 30*time.Second)
				defer cancel()
				again := time.Duration(0)
				if d, ok := q.fresh(ctx, d.ID); ok {
					again = do(ctx, d)
				}
				if _, ok := q.fresh(ctx, d.ID); !ok {
					q.done(d)
				}
				q.giveBack(j, again)
			})
		}
		t := time.NewTimer(max(time.Until(next), time.Millisecond))
		select {
		case <-ctx.Done():
		case <-q.poke:
		case <-t.C:
		}
		t.Stop()
	}
	t := time.AfterFunc(grace, cancel)
	defer t.Stop()
	wg.Wait()
	return nil
}

// known are the heads, a second old at most: who works on one reads it anew.
func (q *queue) known(ctx context.Context) []store.Delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.read.IsZero() || time.Since(q.read) >= time.Second {
		q.heads(ctx)
	}
	return q.due
}

// fresh reads a delivery that is about to be handed out, if it is still pending.
func (q *queue) fresh(ctx context.Context, id string) (got store.Delivery, ok bool) {
	_ = q.Deliveries(ctx, store.Filter{IDs: []string{id}}, func(d store.Delivery) error {
		got, ok = d, d.State == store.Pending
		return nil
	})
	return got, ok
}

// heads reads the deliveries that may be sent: Pending, and the first of their watch and lane.
func (q *queue) heads(ctx context.Context) {
	q.due, q.next, q.read = nil, map[order]bool{}, time.Now()
	seen := map[order]bool{}
	_ = q.Deliveries(ctx, store.Filter{State: string(store.Pending)}, func(d store.Delivery) error {
		if d.State == store.Held { // it is listed as pending
			return nil
		}
		o := orderOf(d)
		if seen[o] {
			q.next[o] = true
		} else {
			q.due = append(q.due, d)
		}
		seen[o] = true
		return nil
	})
}

// done forgets a delivery that was settled. The heads need be read anew only where another waited for it.
func (q *queue) done(d store.Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next[orderOf(d)] {
		q.read = time.Time{}
	}
	q.due = slices.DeleteFunc(slices.Clone(q.due), func(head store.Delivery) bool { return head.ID == d.ID })
}

// take takes the job of a delivery if it is due, else it returns when it will be.
func (q *queue) take(d store.Delivery) (*job, time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[d.ID]
	if j == nil {
		j = &job{at: d.NextAt}
		q.jobs[d.ID] = j
	}
	at := j.at
	if j.busy {
		at = time.Now().Add(time.Hour)
	}
	if at.After(time.Now()) {
		return nil, at
	}
	j.busy = true
	return j, at
}

func (q *queue) giveBack(j *job, again time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.busy, j.at = false, time.Now().Add(again)
	q.look()
}

// rescue hands the job of a delivery out again as if its server had died.
func (q *queue) rescue(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.jobs, id)
	q.changed()
}

// WorkAlso is store.Queue's: Work is for all.
func (*queue) WorkAlso([]string) {}

// Interrupt is store.Queue's.
func (q *queue) Interrupt(ctx context.Context, id string, opened, now time.Time) error {
	d, ok := q.fresh(ctx, id)
	if !ok || !d.OpenedAt.Equal(opened) {
		return store.ErrConflict
	}
	return q.Settle(ctx, id, store.Outcome{Attempt: d.Attempts, State: store.Pending, NextAt: now, Unknown: true, At: now})
}
