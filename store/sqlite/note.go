package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteColumns are the columns of a note, in the order of scanNote.
const noteColumns = "kind, key, watch_id, org, project, domain, name, due, body, version"

func scanNote(row scanner) (n store.Note, err error) {
	var due sql.NullInt64
	var body []byte
	x := &n.Execution
	err = row.Scan(&n.Kind, &n.Key, &n.WatchID, &x.Org, &x.Project, &x.Domain, &x.Name, &due, &body, &n.Version)
	n.Due, n.Body = moment(due), json.RawMessage(body)
	return n, err
}

// Notes is store.Notes's.
func (s *Store) Notes(ctx context.Context, kind string, keys []string) ([]store.Note, error) {
	all, err := byTexts(ctx, s, scanNote, "SELECT "+noteColumns+" FROM notes WHERE kind = ?1 AND key", kind, keys)
	if err != nil {
		return nil, fmt.Errorf("read %d notes %s: %w", len(keys), kind, err)
	}
	return all, nil
}

// byTexts reads the rows for which the query's ?1 is first, and what it ends with is one of the texts.
// Lists are filled up to powers of two, so that few different statements serve all.
func byTexts[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, first any, texts []string) ([]T, error) {
	var all []T
	texts = slices.Compact(slices.Sorted(slices.Values(texts)))
	for chunk := range slices.Chunk(texts, textsAtOnce) {
		args := make([]any, 1, 1+textsAtOnce)
		args[0] = first
		for _, text := range chunk {
			args = append(args, text)
		}
		size := 1 << bits.Len(uint(len(chunk)-1)) //nolint:gosec // a chunk is never empty
		for len(args) <= size {
			args = append(args, args[1])
		}
		some, err := read(ctx, s.queries, scan, query+" IN ("+placeholders(2, size)+")", args...)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// textsAtOnce bounds the values of one query; it is a power of two.
const textsAtOnce = 512

// AllNotes is store.Notes's.
func (s *Store) AllNotes(ctx context.Context, kind, after string, limit int) ([]store.Note, error) {
	const query = "SELECT " + noteColumns + " FROM notes WHERE kind = ? AND key > ? ORDER BY key LIMIT ?"
	all, err := read(ctx, s.queries, scanNote, query, kind, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read notes %s: %w", kind, err)
	}
	return all, nil
}

// NotesOf is store.Notes's.
func (s *Store) NotesOf(ctx context.Context, kind string, id flyte.ExecutionID) ([]store.Note, error) {
	const query = "SELECT " + noteColumns + ` FROM notes INDEXED BY notes_execution
		WHERE kind = ? AND project = ? AND domain = ? AND name = ? AND org = ? AND name <> '' ORDER BY key`
	all, err := read(ctx, s.queries, scanNote, query, kind, id.Project, id.Domain, id.Name, id.Org)
	if err != nil {
		return nil, fmt.Errorf("read notes %s of %s: %w", kind, id, err)
	}
	return all, nil
}

// DueNotes is store.Notes's. Those that are due when the given one is are a part of their own: SQLite would
// seek by both columns to the first of them only.
func (s *Store) DueNotes(ctx context.Context, kind string, now time.Time, after store.Note, limit int) ([]store.Note, error) {
	const query = "SELECT " + noteColumns + ` FROM (
		SELECT * FROM (SELECT * FROM notes INDEXED BY notes_due
			WHERE kind = ?1 AND due IS NOT NULL AND due = ?3 AND due <= ?2 AND key > ?4 ORDER BY key LIMIT ?5)
		UNION ALL SELECT * FROM (SELECT * FROM notes INDEXED BY notes_due
			WHERE kind = ?1 AND due IS NOT NULL AND due > ?3 AND due <= ?2 ORDER BY due, key LIMIT ?5))
		ORDER BY due, key LIMIT ?5`
	all, err := read(ctx, s.queries, scanNote, query, kind, now.UnixMicro(), after.Due.UnixMicro(), after.Key, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read due notes %s: %w", kind, err)
	}
	return all, nil
}

// NextDue is store.Notes's.
func (s *Store) NextDue(ctx context.Context, kind string) (time.Time, error) {
	const query = "SELECT min(due) FROM notes INDEXED BY notes_due WHERE kind = ? AND due IS NOT NULL"
	var next sql.NullInt64
	if err := s.queries.row(ctx, query, []any{kind}, &next); err != nil {
		return time.Time{}, fmt.Errorf("read when the next note %s is due: %w", kind, err)
	}
	return moment(next), nil
}

// storedNote is what a write must know of a note; without one that is stored it is zero.
type storedNote struct {
	seq, version int64
	execution    flyte.ExecutionID
	due          sql.NullInt64
}

func (t *tx) storedNote(kind, key string) (n storedNote, err error) {
	const query = "SELECT seq, version, org, project, domain, name, due FROM notes WHERE kind = ? AND key = ?"
	x := &n.execution
	err = t.row(query, []any{kind, key}, &n.seq, &n.version, &x.Org, &x.Project, &x.Domain, &x.Name, &n.due)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return n, err
}

// writeNote writes a note whose Version is that of the stored one. moved is the watch that moves with it.
func (t *tx) writeNote(n store.Note, stored storedNote, moved string) error {
	const insert = "INSERT INTO notes (" + noteColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
	// SQLite writes every index anew of which an UPDATE names a column, changed or not.
	const update = "UPDATE notes SET version = version + 1, body = ?2, org = ?3, project = ?4, domain = ?5, name = ?6, due = ?7 WHERE seq = ?1"
	const rewrite = "UPDATE notes SET version = version + 1, body = ?2 WHERE seq = ?1"
	x, due := n.Execution, micros(n.Due)
	switch {
	case n.Removed && stored.seq == 0:
		return nil
	case n.Removed:
		return t.exec("DELETE FROM notes WHERE seq = ?", stored.seq)
	case stored.seq != 0 && x == stored.execution && n.Due.IsZero() == !stored.due.Valid && n.Due.Equal(moment(stored.due)):
		return t.exec(rewrite, stored.seq, verbatim(n.Body))
	case stored.seq != 0:
		return t.exec(update, stored.seq, verbatim(n.Body), x.Org, x.Project, x.Domain, x.Name, due)
	}
	if n.WatchID != "" && n.WatchID != moved {
		var gone bool
		if err := t.row(purgedWatch, []any{n.WatchID}, &gone); err != nil || gone {
			return err
		}
	}
	return t.exec(insert, n.Kind, n.Key, n.WatchID, x.Org, x.Project, x.Domain, x.Name, due, verbatim(n.Body))
}
