package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// BatchSize is how many jobs a batch has at most: enough that the sync of the disk weighs little, few
// enough that a batch is over in milliseconds.
const BatchSize = 256

// yields is how often a batch that is being gathered lets others run, who may be about to ask.
const yields = 16

// ErrClosed is returned for what a closed store is asked to do.
var ErrClosed = errors.New("the store is closed")

// Job is one caller's part of a batch.
type Job[T any] struct {
	In  T     // what to do; what came of it is put in here as well
	Err error // its own: nothing of it was done, though the batch may have been

	ctx  context.Context
	done chan error
}

// Answer gives the caller the job's own error, or that of its batch.
func (j *Job[T]) Answer(err error) {
	if err == nil {
		err = j.Err
	}
	j.done <- err
}

// Batches does jobs in one goroutine. What waits while a batch is under way goes into the next one
// together.
type Batches[T any] struct {
	commit  func([]*Job[T])
	jobs    chan *Job[T]
	closing chan struct{}
	stopped chan struct{}
	once    sync.Once
}

// Start returns batches that are ready. commit does a batch, which has one job at least, and answers
// every job of it.
func Start[T any](commit func([]*Job[T])) *Batches[T] {
	b := &Batches[T]{commit: commit, jobs: make(chan *Job[T]), closing: make(chan struct{}), stopped: make(chan struct{})}
	go b.loop()
	return b
}

// Close waits for the batch at work. It may be called again.
func (b *Batches[T]) Close() {
	b.once.Do(func() { close(b.closing) })
	<-b.stopped
}

// Do returns once in was done. A caller whose context ends is answered at once; it may still be done, so
// that the caller must not touch in any more. After Close it returns ErrClosed.
func (b *Batches[T]) Do(ctx context.Context, in T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &Job[T]{In: in, ctx: ctx, done: make(chan error, 1)}
	select {
	case b.jobs <- j:
	case <-ctx.Done():
		return fmt.Errorf("wait for the store: %w", ctx.Err())
	case <-b.closing:
		return ErrClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the store: %w", ctx.Err())
	}
}

func (b *Batches[T]) loop() {
	defer close(b.stopped)
	for {
		select {
		case <-b.closing:
			return
		case j := <-b.jobs:
			if batch := b.gather(j); len(batch) > 0 {
				b.commit(batch)
			}
		}
	}
}

// gather takes what waits, without waiting for more, and drops what nobody waits for any longer. It
// lets those run who may be about to ask, a few times as long as some do: when nobody is, that takes no time.
func (b *Batches[T]) gather(first *Job[T]) []*Job[T] {
	batch := make([]*Job[T], 0, BatchSize)
	yielded := 0
	for j := first; j != nil; j = b.next(&yielded) {
		if err := j.ctx.Err(); err != nil {
			j.done <- err
		} else {
			batch = append(batch, j)
		}
		if len(batch) == BatchSize {
			break
		}
	}
	return batch
}

// next is a job that waits, now or once others have run, or nil.
func (b *Batches[T]) next(yielded *int) *Job[T] {
	for again := *yielded < yields; ; again = false {
		select {
		case j := <-b.jobs:
			return j
		default:
			if !again {
				return nil
			}
			*yielded++
			runtime.Gosched()
		}
	}
}
