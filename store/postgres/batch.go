package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// batchTimeout is for a server that does not answer any more.
const batchTimeout = 10 * time.Second

// job is one write of a batch.
type job[T any] = engine.Job[T]

// batcher does one kind of writes, each batch in one transaction.
type batcher[T any] struct {
	*engine.Batches[T]

	// run does the writes of jobs with a few statements, and nothing of those in which it puts an Err. It
	// may be called again for the same jobs, after a transaction that was lost.
	run func(ctx context.Context, tx pgx.Tx, jobs []*job[T]) error
	s   *Store
}

func newBatcher[T any](s *Store, run func(ctx context.Context, tx pgx.Tx, jobs []*job[T]) error) *batcher[T] {
	b := &batcher[T]{s: s, run: run}
	b.Batches = engine.Start(b.commit)
	return b
}

// commit runs the batch in one transaction and answers every caller. When it fails by what was written, or
// by a row that another holds, each write is tried alone, so that only those fail that cannot be done.
func (b *batcher[T]) commit(batch []*job[T]) {
	err := b.attempt(batch)
	for i := 0; err != nil && !general(err) && len(batch) > 1 && i < len(batch); i++ {
		alone := b.attempt(batch[i : i+1])
		batch[i].Answer(alone)
		if alone != nil && general(alone) {
			batch, err = batch[i+1:], alone // the server went away: the rest would fare no better
			break
		}
		if i == len(batch)-1 {
			return
		}
	}
	for _, j := range batch {
		j.Answer(err)
	}
}

// attempt returns an error when nothing of the batch was committed, or when nobody knows. Errors of single
// writes are in the jobs.
func (b *batcher[T]) attempt(batch []*job[T]) error {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	return b.s.transact(ctx, b.s.hot, func(tx pgx.Tx) error {
		for _, j := range batch {
			j.Err = nil
		}
		return b.run(ctx, tx, batch)
	})
}
