package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// writer does all writes of the process in one goroutine. What waits while the disk syncs a commit
// goes into the next one together. One that is refused before it changed anything takes no other with it;
// when one fails otherwise, which is rare, they are done again, each alone. That costs less than a savepoint each.
type writer struct {
	batches *engine.Batches[func(*tx) error] // nil until start
	db      *sql.DB
	release sync.Once
	tx      *tx // nil until the first write, and after a transaction was lost
	recent  *recent
}

// job is one write. It may be run again when a transaction is lost, so it leaves nothing behind but what
// it assigns.
type job = engine.Job[func(*tx) error]

func newWriter(db *sql.DB) *writer { return &writer{db: db} }

func (w *writer) start() { w.batches = engine.Start(w.commit) }

// close waits for the batch at work and closes the connection. It may be called again.
func (w *writer) close() error {
	if w.batches != nil {
		w.batches.Close()
	}
	w.release.Do(func() {
		if w.tx != nil {
			w.tx.close(nil)
		}
	})
	return w.db.Close()
}

// write runs fn in a transaction and returns once it is durable. A caller whose context ends is
// answered at once; its write may still happen, so fn must not use what the caller may change.
func write[T any](ctx context.Context, s *Store, fn func(*tx) (T, error)) (T, error) {
	var out, zero T
	err := s.write.batches.Do(ctx, func(t *tx) (err error) {
		out, err = fn(t)
		return err
	})
	if err != nil {
		return zero, err // out may still be written to
	}
	return out, nil
}

// commit runs the batch in one transaction and answers every caller. When the transaction is lost
// (a full disk, say) each write is tried alone, so that only those fail that cannot be done.
func (w *writer) commit(batch []*job) {
	err := w.attempt(batch)
	if err != nil && len(batch) > 1 && !errors.Is(err, errBegin) {
		w.oneByOne(batch)
		return
	}
	for _, j := range batch {
		j.Answer(err)
	}
}

// oneByOne tries each write of a lost batch alone. After some in a row that are lost as well it is
// the disk, not they: the rest is answered without a try, since callers wait.
func (w *writer) oneByOne(batch []*job) {
	const enough = 3
	var lost int
	var err error
	for _, j := range batch {
		if lost < enough {
			if err = w.attempt([]*job{j}); err == nil {
				lost = 0
			} else {
				lost++
			}
		}
		j.Answer(err)
	}
}

// errBegin marks a transaction that could not even begin: no write of it would fare better alone.
var errBegin = errors.New("begin")

// attempt returns an error when nothing of the batch was committed. Errors of single writes, which
// were undone, are in the jobs.
func (w *writer) attempt(batch []*job) (err error) {
	if err := w.begin(); err != nil {
		w.reset()
		return fmt.Errorf("%w: %w", errBegin, err)
	}
	w.tx.touched = w.tx.touched[:0]
	defer func() {
		if err != nil {
			w.reset()
		}
	}()
	if len(batch) == 1 {
		return w.single(batch[0])
	}
	for _, j := range batch {
		w.tx.changed = false
		if j.Err = j.In(w.tx); j.Err != nil && (w.tx.changed || !refused(j.Err)) {
			return j.Err
		}
	}
	return w.end()
}

// refused says whether it is the store that refuses a write, and not the database, which may have rolled
// back the transaction.
func refused(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || engine.Damaged(err)
}

// end commits. While it does, watches that may have changed are not remembered: neither as they
// were nor, before everybody finds them so, as they are.
func (w *writer) end() error {
	w.recent.change(w.tx.touched)
	defer w.recent.changed(w.tx.touched)
	return w.tx.exec("COMMIT")
}

func (w *writer) begin() error {
	if w.tx == nil {
		conn, err := w.db.Conn(context.Background())
		if err != nil {
			return err
		}
		w.tx = &tx{conn: conn, stmts: map[string]*sql.Stmt{}}
	}
	return w.tx.exec("BEGIN IMMEDIATE")
}

// single does a write alone: what fails is rolled back whole.
func (w *writer) single(j *job) error {
	if j.Err = j.In(w.tx); j.Err == nil {
		return w.end()
	}
	if err := w.tx.exec("ROLLBACK"); err != nil {
		return j.Err // the database rolled back by itself
	}
	return nil
}

// reset gives up the connection, whatever state its transaction is in, for a new one.
func (w *writer) reset() {
	if w.tx == nil {
		return
	}
	_ = w.tx.exec("ROLLBACK") // fails where the database has rolled back by itself
	w.tx.close(driver.ErrBadConn)
	w.tx = nil
}
