package postgres

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteColumns are the columns of a note, in the order of scanNote.
const noteColumns = "n.kind, n.key, n.watch_id, n.org, n.project, n.domain, n.name, n.due, n.body, n.version"

func scanNote(row pgx.Row) (n store.Note, err error) {
	var due *int64
	var body *string
	x := &n.Execution
	err = row.Scan(&n.Kind, &n.Key, &n.WatchID, &x.Org, &x.Project, &x.Domain, &x.Name, &due, &body, &n.Version)
	n.Due, n.Body = moment(due), raw(body)
	return n, err
}

// cleanNote returns the note as it will be read back. Nothing in it is the caller's any more.
func cleanNote(n store.Note) store.Note {
	x := &n.Execution
	cleanAll(&n.Kind, &n.Key, &n.WatchID, &x.Org, &x.Project, &x.Domain, &x.Name)
	n.Body = raw(verbatim(n.Body))
	return n
}

// Notes is store.Notes's.
func (s *Store) Notes(ctx context.Context, kind string, keys []string) ([]store.Note, error) {
	const query = "SELECT " + noteColumns + " FROM flyte_notifier.notes n WHERE n.kind = $1 AND n.key = ANY($2)"
	all, err := list(ctx, s.pool, scanNote, query, clean(kind), cleaned(keys))
	if err != nil {
		return nil, fmt.Errorf("read %d notes %s: %w", len(keys), kind, err)
	}
	return all, nil
}

// cleaned are clean texts.
func cleaned(texts []string) []string {
	all := make([]string, 0, len(texts))
	for _, text := range texts {
		all = append(all, clean(text))
	}
	return all
}

// AllNotes is store.Notes's.
func (s *Store) AllNotes(ctx context.Context, kind, after string, limit int) ([]store.Note, error) {
	const query = "SELECT " + noteColumns + " FROM flyte_notifier.notes n WHERE n.kind = $1 AND n.key > $2 ORDER BY n.key LIMIT $3"
	all, err := list(ctx, s.pool, scanNote, query, clean(kind), clean(after), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read notes %s: %w", kind, err)
	}
	return all, nil
}

// NotesOf is store.Notes's.
func (s *Store) NotesOf(ctx context.Context, kind string, id flyte.ExecutionID) ([]store.Note, error) {
	const query = "SELECT " + noteColumns + ` FROM flyte_notifier.notes n
		WHERE n.kind = $1 AND n.project = $2 AND n.domain = $3 AND n.name = $4 AND n.org = $5 AND n.name <> '' ORDER BY n.key`
	all, err := list(ctx, s.pool, scanNote, query, clean(kind), clean(id.Project), clean(id.Domain), clean(id.Name), clean(id.Org))
	if err != nil {
		return nil, fmt.Errorf("read notes %s of %s: %w", kind, id, err)
	}
	return all, nil
}

// DueNotes is store.Notes's.
func (s *Store) DueNotes(ctx context.Context, kind string, now time.Time, after store.Note, limit int) ([]store.Note, error) {
	const query = "SELECT " + noteColumns + ` FROM flyte_notifier.notes n WHERE n.kind = $1 AND n.due IS NOT NULL AND n.due <= $2
		AND (n.due, n.key) > ($3::bigint, $4) ORDER BY n.due, n.key LIMIT $5`
	all, err := list(ctx, s.pool, scanNote, query, clean(kind), now.UnixMicro(), after.Due.UnixMicro(), clean(after.Key), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read due notes %s: %w", kind, err)
	}
	return all, nil
}

// NextDue is store.Notes's.
func (s *Store) NextDue(ctx context.Context, kind string) (time.Time, error) {
	const query = "SELECT min(n.due) FROM flyte_notifier.notes n WHERE n.kind = $1 AND n.due IS NOT NULL"
	var next *int64
	if err := s.pool.QueryRow(ctx, query, clean(kind)).Scan(&next); err != nil {
		return time.Time{}, fmt.Errorf("read when the next note %s is due: %w", kind, err)
	}
	return moment(next), nil
}

// noteKey is what a note is known by.
type noteKey struct{ kind, key string }

func noteKeyOf(n store.Note) noteKey { return noteKey{n.Kind, n.Key} }

func (k noteKey) compare(o noteKey) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.key, o.key))
}

// storedNote is a note whose lock is held.
type storedNote struct {
	noteKey
	version int64
}

func scanStoredNote(row pgx.Row) (n storedNote, err error) {
	err = row.Scan(&n.kind, &n.key, &n.version)
	return n, err
}

// lockNotes takes the locks of those of the notes that are there.
func lockNotes(p *pipeline, keys []noteKey, found *[]storedNote) {
	const query = `SELECT n.kind, n.key, n.version FROM unnest($1::text[], $2::text[]) AS i(kind, key)
		JOIN flyte_notifier.notes n ON n.kind = i.kind AND n.key = i.key ORDER BY n.kind, n.key FOR NO KEY UPDATE OF n`
	kinds, names := make([]string, 0, len(keys)), make([]string, 0, len(keys))
	for _, k := range keys {
		kinds, names = append(kinds, k.kind), append(names, k.key)
	}
	into(p, found, scanStoredNote, query, kinds, names)
}

func (g *ground) setNotes(found []storedNote) {
	g.notes = make(map[noteKey]int64, len(found))
	for _, n := range found {
		g.notes[n.noteKey] = n.version
	}
}
