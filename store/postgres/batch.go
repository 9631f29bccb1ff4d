package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// batchSize is how many writes one commit takes at most: enough that the sync of the disk weighs
	// little, few enough that a batch is over in milliseconds.
	batchSize = 256

	// batchTimeout is for a server that does not answer any more.
	batchTimeout = 10 * time.Second
)

// job is one write of a batch.
type job[T any] struct {
	ctx  context.Context
	in   T     // what to write; answers are put in here as well
	err  error // its own: nothing of it was written
	done chan error
}

// batcher does one kind of writes in one goroutine and transaction at a time. What waits while a batch
// commits goes into the next one together.
type batcher[T any] struct {
	// run does the writes of jobs with a few statements, and nothing of those in which it puts an err. It
	// may be called again for the same jobs, after a transaction that was lost.
	run  func(ctx context.Context, tx pgx.Tx, jobs []*job[T]) error
	s    *Store
	jobs chan *job[T]
	once sync.Once

	closing chan struct{}
	stopped chan struct{}
}

func newBatcher[T any](s *Store, run func(ctx context.Context, tx pgx.Tx, jobs []*job[T]) error) *batcher[T] {
	b := &batcher[T]{
		s: s, run: run, jobs: make(chan *job[T]),
		closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	go b.loop()
	return b
}

// close waits for the batch at work. It may be called again.
func (b *batcher[T]) close() {
	b.once.Do(func() { close(b.closing) })
	<-b.stopped
}

// do returns once in is written and durable. A caller whose context ends is answered at once; its write
// may still happen, so that it must not touch in any more.
func (b *batcher[T]) do(ctx context.Context, in T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job[T]{ctx: ctx, in: in, done: make(chan error, 1)}
	select {
	case b.jobs <- j:
	case <-ctx.Done():
		return fmt.Errorf("wait for the store: %w", ctx.Err())
	case <-b.closing:
		return errClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the store: %w", ctx.Err())
	}
}

func (b *batcher[T]) loop() {
	defer close(b.stopped)
	for {
		select {
		case <-b.closing:
			return
		case j := <-b.jobs:
			b.commit(b.gather(j))
		}
	}
}

// gather takes what waits, without waiting for more, and drops what nobody waits for any longer.
func (b *batcher[T]) gather(first *job[T]) []*job[T] {
	batch := make([]*job[T], 0, batchSize)
	for j := first; ; {
		if err := j.ctx.Err(); err != nil {
			j.done <- err
		} else {
			batch = append(batch, j)
		}
		if len(batch) == batchSize {
			return batch
		}
		select {
		case j = <-b.jobs:
		default:
			return batch
		}
	}
}

// commit runs the batch in one transaction and answers every caller. When it fails by what was written, or
// by a row that another holds, each write is tried alone, so that only those fail that cannot be done.
func (b *batcher[T]) commit(batch []*job[T]) {
	if len(batch) == 0 {
		return
	}
	err := b.attempt(batch)
	for i := 0; err != nil && !general(err) && len(batch) > 1 && i < len(batch); i++ {
		alone := b.attempt(batch[i : i+1])
		batch[i].answer(alone)
		if alone != nil && general(alone) {
			batch, err = batch[i+1:], alone // the server went away: the rest would fare no better
			break
		}
		if i == len(batch)-1 {
			return
		}
	}
	for _, j := range batch {
		j.answer(err)
	}
}

// answer gives the caller the job's own error, or that of its transaction.
func (j *job[T]) answer(err error) {
	if err == nil {
		err = j.err
	}
	j.done <- err
}

// attempt returns an error when nothing of the batch was committed, or when nobody knows. Errors of single
// writes are in the jobs.
func (b *batcher[T]) attempt(batch []*job[T]) error {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	return b.s.transact(ctx, b.s.hot, func(tx pgx.Tx) error {
		for _, j := range batch {
			j.err = nil
		}
		return b.run(ctx, tx, batch)
	})
}
