package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// registration is one call of Register.
type registration struct {
	watch  store.Watch // clean
	stored store.Watch
}

// Register is store.Registry's. A new watch has Version 1, and is Active unless it says otherwise.
func (s *Store) Register(ctx context.Context, w store.Watch) (store.Watch, error) {
	if w.ID == "" {
		return store.Watch{}, fmt.Errorf("register watch: %w", errNoID)
	}
	if w.State == "" {
		w.State = store.Active
	}
	w.Version = 1
	r := &registration{watch: cleanWatch(w)}
	if err := s.registers.Do(ctx, r); err != nil {
		return store.Watch{}, fmt.Errorf("register watch %s: %w", w.ID, err)
	}
	return r.stored, nil
}

// runRegister inserts what is new with one statement; most are. The rest was there before.
func (s *Store) runRegister(ctx context.Context, tx pgx.Tx, jobs []*job[*registration]) error {
	first, rest := firsts(jobs)
	inserted, err := insertWatches(ctx, tx, first)
	if err != nil {
		return err
	}
	for _, j := range first {
		if inserted[j.In.watch.ID] {
			j.In.stored = j.In.watch
		} else {
			rest = append(rest, j)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return registerAgain(ctx, tx, rest)
}

// firsts returns the first job of each watch, by id, and all others.
func firsts(jobs []*job[*registration]) (first, rest []*job[*registration]) {
	seen := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		if id := j.In.watch.ID; !seen[id] {
			seen[id] = true
			first = append(first, j)
		} else {
			rest = append(rest, j)
		}
	}
	slices.SortFunc(first, func(a, b *job[*registration]) int { return cmp.Compare(a.In.watch.ID, b.In.watch.ID) })
	return first, rest
}

// insertWatches inserts watches that are not there and were not purged, with their first event, and returns
// the ids of those. It does so in the order of their ids, so that no two that insert the same wait for each other.
func insertWatches(ctx context.Context, tx pgx.Tx, first []*job[*registration]) (map[string]bool, error) {
	const query = `WITH stored AS (
		` + insertUnknown + ` ORDER BY i.id ON CONFLICT (id) DO NOTHING RETURNING seq, id, created_at),
	told AS (INSERT INTO flyte_notifier.events (watch, at, kind, text)
		SELECT stored.seq, stored.created_at, $27, e.text FROM stored JOIN unnest($1::text[], $28::text[]) AS e(id, text) ON e.id = stored.id)
	SELECT id FROM stored`
	var rows watchRows
	texts := make([]string, 0, len(first))
	for _, j := range first {
		if err := rows.add(j.In.watch); err != nil {
			return nil, err
		}
		texts = append(texts, store.Registered(j.In.watch).Text)
	}
	var p pipeline
	var ids, purged []string
	into(&p, &ids, scanText, query, append(rows.args(), store.EventRegistered, texts)...)
	into(&p, &purged, scanText, "SELECT id FROM flyte_notifier.purged_watches WHERE id = ANY($1) AND NOT unwatched", rows.id)
	if err := p.run(ctx, tx); err != nil {
		return nil, err
	}
	inserted := make(map[string]bool, len(ids))
	for _, id := range ids {
		inserted[id] = true
	}
	for _, id := range purged {
		if inserted[id] {
			return nil, fmt.Errorf("watch %s was purged just now: %w", id, errAgain)
		}
	}
	return inserted, nil
}

// placedWatch is a watch with its seq.
type placedWatch struct {
	store.Watch
	seq     int64
	damage  error
	changed bool
}

func scanPlacedWatch(row pgx.Row) (p placedWatch, err error) {
	p.Watch, err = scanWatch(prefixed{row, &p.seq})
	if engine.Damaged(err) {
		p.damage, err = err, nil
	}
	return p, err
}

// registerAgain answers for watches that are there, or were purged. It locks only those to which a later
// attempt is news.
func registerAgain(ctx context.Context, tx pgx.Tx, jobs []*job[*registration]) error {
	found, err := readWatches(ctx, tx, jobs, "")
	if err != nil {
		return err
	}
	later := slices.ContainsFunc(jobs, func(j *job[*registration]) bool {
		w := found[j.In.watch.ID]
		return w != nil && j.In.watch.Attempt > w.Attempt
	})
	if later {
		if found, err = readWatches(ctx, tx, jobs, "ORDER BY w.id FOR NO KEY UPDATE"); err != nil {
			return err
		}
	}
	var events eventRows
	for _, j := range jobs {
		w := found[j.In.watch.ID]
		switch {
		case w == nil: // purged
			j.In.stored = store.Watch{ID: j.In.watch.ID, State: store.Ended}
			continue
		case w.damage != nil:
			j.Err = w.damage
			continue
		case j.In.watch.Attempt > w.Attempt:
			w.reregister(j.In.watch.Attempt)
			events.add(w.seq, store.Registered(j.In.watch))
		}
		j.In.stored = w.Watch
		j.In.stored.Outputs = slices.Clone(w.Outputs)
	}
	return saveAttempts(ctx, tx, found, &events)
}

func readWatches(ctx context.Context, tx pgx.Tx, jobs []*job[*registration], lock string) (map[string]*placedWatch, error) {
	ids := make([]string, 0, len(jobs))
	for _, j := range jobs {
		ids = append(ids, j.In.watch.ID)
	}
	query := "SELECT w.seq, " + watchColumns + " FROM flyte_notifier.watches w WHERE w.id = ANY($1) " + lock
	all, err := list(ctx, tx, scanPlacedWatch, query, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*placedWatch, len(all))
	for i := range all {
		found[all[i].ID] = &all[i]
	}
	return found, nil
}

// reregister records a later attempt. What ended because the earlier attempt was aborted, or because its
// execution was not to be found, begins anew.
func (w *placedWatch) reregister(attempt uint32) {
	w.Attempt, w.changed = attempt, true
	w.Version++
	if w.State == store.Cancelled || w.State == store.Lost {
		w.State, w.EndedAt, w.Reason, w.Missing, w.Phase = store.Active, time.Time{}, "", time.Time{}, ""
	}
}

// saveAttempts writes what reregister changed.
func saveAttempts(ctx context.Context, tx pgx.Tx, found map[string]*placedWatch, events *eventRows) error {
	const update = `UPDATE flyte_notifier.watches w SET attempt = i.attempt, version = i.version, state = i.state, ended_at = i.ended_at,
		reason = i.reason, missing = i.missing, phase = i.phase
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::text[])
		AS i(seq, attempt, version, state, ended_at, reason, missing, phase) WHERE w.seq = i.seq`
	var seqs, attempts, versions []int64
	var states, reasons, phases []string
	var ended, missing []*int64
	for _, w := range found {
		if !w.changed {
			continue
		}
		seqs, attempts, versions = append(seqs, w.seq), append(attempts, int64(w.Attempt)), append(versions, w.Version)
		states, reasons, phases = append(states, string(w.State)), append(reasons, w.Reason), append(phases, w.Phase)
		ended, missing = append(ended, micros(w.EndedAt)), append(missing, micros(w.Missing))
	}
	if len(seqs) == 0 {
		return nil
	}
	var p pipeline
	p.exec(update, seqs, attempts, versions, states, ended, reasons, missing, phases)
	events.insert(&p)
	return p.run(ctx, tx)
}
