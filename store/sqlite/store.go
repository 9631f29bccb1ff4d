// Package sqlite is the store on one SQLite file: what a single server needs, and nothing to
// install beside it.
//
// All writes go through one goroutine, which commits what waits together (see writer); reads have
// connections of their own and never wait for a writer. Several processes may open the file, one
// of them as the server. Every commit is on disk before its caller is answered.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// readers is how many reads run at once.
const readers = 4

// Pragmas of every connection. The time-out is for another process that holds the write lock.
const (
	pragmaBusy  = "busy_timeout(5000)"
	pragmaSync  = "synchronous(FULL)"
	pragmaWAL   = "journal_mode(WAL)"
	pragmaTemp  = "temp_store(MEMORY)"
	pragmaCache = "cache_size(-16000)" // KiB, as all negative sizes
	pragmaSmall = "cache_size(-4000)"  // of each reader: most of what they read they read once a round
	pragmaLimit = "journal_size_limit(67108864)"
	// Pages of the WAL, 16 MB, before the writer copies them into the file: callers wait meanwhile, and
	// pages that many commits change are then copied once.
	pragmaCheckpoint = "wal_autocheckpoint(4000)"
	pragmaRead       = "query_only(1)"
)

// Store is a store.Store on one file. It is safe for concurrent use.
type Store struct {
	write   *writer
	readers *sql.DB
	queries *queries
	recent  *recent
	lock    *os.File // held by a server; nil for a command
}

var _ store.Store = (*Store)(nil)

// Open opens the file for a command, beside other commands and a server. A file that does not
// exist is created, readable by its owner only; its folder must exist.
func Open(ctx context.Context, path string) (*Store, error) {
	return open(ctx, path, false)
}

// OpenServer opens the file for the one server of the store, and keeps others out for as long as
// the process lives or until Close. Commands may open it meanwhile. A store that was copied elsewhere
// (see OpenToMove) is refused.
func OpenServer(ctx context.Context, path string) (*Store, error) {
	s, err := open(ctx, path, true)
	if err != nil {
		return nil, err
	}
	if err := s.here(ctx, path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func open(ctx context.Context, path string, server bool) (_ *Store, err error) {
	if err := create(path); err != nil {
		return nil, err
	}
	s := &Store{}
	defer func() {
		if err != nil {
			_ = s.Close() // the first error tells more
		}
	}()
	if server {
		if s.lock, err = lock(ctx, path, serverPatience, nil); err != nil {
			return nil, err
		}
		if s.lock == nil {
			return nil, fmt.Errorf("another flyte-notifier serves this store: %s", path)
		}
	}
	return s, s.connect(ctx, path)
}

// connect opens both pools and brings the schema up to date.
func (s *Store) connect(ctx context.Context, path string) error {
	db, err := openPool(path, 1, pragmaBusy, pragmaWAL, pragmaSync, pragmaTemp, pragmaCache, pragmaLimit, pragmaCheckpoint)
	if err != nil {
		return err
	}
	s.write = newWriter(db)
	if err := checkWAL(ctx, db); err != nil {
		return fmt.Errorf("open store %s: %w", path, err)
	}
	if err := migrate(ctx, db, path, s.lock != nil); err != nil {
		return err
	}
	if s.readers, err = openPool(path, readers, pragmaBusy, pragmaTemp, pragmaSmall, pragmaRead); err != nil {
		return err
	}
	s.queries = newQueries(s.readers)
	if s.lock != nil {
		s.recent = &recent{}
		s.write.recent = s.recent
	}
	s.write.start()
	return nil
}

func openPool(path string, size int, pragmas ...string) (*sql.DB, error) {
	name, err := dsn(path, pragmas...)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// checkWAL fails where the file system cannot share memory between processes: without it readers
// would block the writer.
func checkWAL(ctx context.Context, db *sql.DB) error {
	mode, err := journalMode(ctx, db)
	for end := time.Now().Add(commandPatience); busy(err) && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
			mode, err = journalMode(ctx, db)
		}
	}
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not support SQLite's WAL mode (it is %q): use a local disk", mode)
	}
	return nil
}

// journalMode connects, which makes it WAL. While others do so to the same new file, SQLite says that it is busy at once,
// whatever its time-out.
func journalMode(ctx context.Context, db *sql.DB) (mode string, err error) {
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	return mode, err
}

func busy(err error) bool {
	failed, ok := errors.AsType[*sqlite.Error](err)
	return ok && failed.Code()&0xff == sqlite3.SQLITE_BUSY
}

// create makes the file before SQLite does, so that only its owner may read it; SQLite gives the
// files beside it the same mode. It never opens a file that exists: closing it would take away
// the locks that this process holds on it.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, os.ErrExist):
		return nil
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("open store %s: folder %s does not exist", path, filepath.Dir(path))
	}
	return fmt.Errorf("create store: %w", err)
}

// Close finishes the writes that were begun, closes the file and gives up the lock. Methods called
// later fail.
func (s *Store) Close() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.close()) // the last to close empties the log into the file
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if err := errors.Join(errs...); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}
