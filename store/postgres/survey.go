package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

const (
	lockWatches = "SELECT id, seq, version FROM flyte_notifier.watches WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"
	lockPurged  = "SELECT id, unwatched FROM flyte_notifier.purged_watches WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"

	// The same, and with them the watches of deliveries.
	alsoOwners       = "SELECT unnest($1::text[]) UNION " + ownersOfAffected
	ownersOfAffected = "SELECT d.watch_id FROM flyte_notifier.deliveries d WHERE d.id = ANY($2)"
	lockWatchesAlso  = "SELECT id, seq, version FROM flyte_notifier.watches WHERE id IN (" + alsoOwners + ") ORDER BY id FOR NO KEY UPDATE"
	lockPurgedAlso   = "SELECT id, unwatched FROM flyte_notifier.purged_watches WHERE id IN (" + alsoOwners + ") ORDER BY id FOR NO KEY UPDATE"

	// addUnwatched makes rows to lock for ids that no watch has. It comes before all locks: whoever waits for
	// another that does the same holds none yet.
	addUnwatched = `INSERT INTO flyte_notifier.purged_watches (id, unwatched) SELECT i.id, true FROM unnest($1::text[]) AS i(id)
		WHERE NOT EXISTS (SELECT 1 FROM flyte_notifier.watches w WHERE w.id = i.id) ORDER BY i.id ON CONFLICT DO NOTHING`
)

// purgedID is a row of purged_watches.
type purgedID struct {
	id        string
	unwatched bool
}

func scanPurged(row pgx.Row) (p purgedID, err error) {
	err = row.Scan(&p.id, &p.unwatched)
	return p, err
}

// subjects are what a batch of moves is about, sorted.
type subjects struct {
	watches    []string
	unwatched  []string // watch ids of deliveries that are not those of a watch that moves: maybe none has them
	deliveries []string // to insert
	affected   []string // deliveries to supersede, to release or to remark on
	notes      []noteKey
	ofOthers   bool // notes go with watches that may have been purged
}

func subjectsOf(jobs []*job[*movement]) (u subjects) {
	for _, j := range jobs {
		m := j.In
		if !m.still {
			u.watches = append(u.watches, m.watch.ID)
		}
		for _, d := range m.deliveries {
			u.watches, u.deliveries = append(u.watches, d.WatchID), append(u.deliveries, d.ID)
			if m.still || d.WatchID != m.watch.ID {
				u.unwatched = append(u.unwatched, d.WatchID)
			}
		}
		for _, n := range m.notes {
			u.notes = append(u.notes, noteKeyOf(n))
			if n.WatchID != "" {
				u.watches = append(u.watches, n.WatchID)
				u.ofOthers = u.ofOthers || m.still || n.WatchID != m.watch.ID
			}
		}
		u.affected = append(u.affected, m.superseded...)
		for _, r := range m.released {
			u.affected = append(u.affected, r.ID)
		}
		for _, r := range m.remarks {
			u.affected = append(u.affected, r.ID)
		}
	}
	for _, all := range []*[]string{&u.watches, &u.unwatched, &u.affected} {
		slices.Sort(*all)
		*all = slices.Compact(*all)
	}
	slices.SortFunc(u.notes, noteKey.compare)
	u.notes = slices.Compact(u.notes)
	return u
}

// survey takes the locks, and reads what the moves meet.
func survey(ctx context.Context, tx pgx.Tx, jobs []*job[*movement]) (*ground, error) {
	u := subjectsOf(jobs)
	var p pipeline
	var found []locked
	var purged []purgedID
	var known []string
	var waiting []turn
	var notes []storedNote
	var near []affected
	g := &ground{known: map[string]bool{}, gone: map[string]bool{}, waiting: map[turn]bool{}, watches: map[string]*locked{}}
	u.lockOwners(&p, &found, &purged)
	if len(u.notes) > 0 {
		lockNotes(&p, u.notes, &notes)
	}
	if len(u.affected) > 0 {
		into(&p, &near, scanAffected, lockAffected, u.affected, len(u.affected)+1)
	}
	if len(u.deliveries) > 0 {
		into(&p, &known, scanText, `SELECT id FROM flyte_notifier.deliveries WHERE id = ANY($1)
			UNION ALL SELECT id FROM flyte_notifier.purged_deliveries WHERE watch_id = ANY($2) AND id = ANY($1)`, u.deliveries, u.watches)
		into(&p, &waiting, scanTurn, `SELECT DISTINCT watch_id, connection, address FROM flyte_notifier.deliveries
			WHERE state = 'pending' AND watch_id = ANY($1)`, u.watches)
		into(&p, &g.seqs, scanInt, "SELECT nextval('flyte_notifier.deliveries_seq') FROM generate_series(1, $1)", len(u.deliveries))
	}
	if err := p.run(ctx, tx); err != nil {
		return nil, err
	}
	for i := range found {
		g.watches[found[i].id] = &found[i]
	}
	for _, id := range known {
		g.known[id] = true
	}
	for _, t := range waiting {
		g.waiting[t] = true
	}
	g.setNotes(notes)
	return g, g.own(&u, purged, near)
}

// lockOwners takes the locks of watches, and of the rows that stand for those that are gone or never were.
func (u *subjects) lockOwners(p *pipeline, found *[]locked, purged *[]purgedID) {
	if len(u.unwatched) > 0 {
		p.exec(addUnwatched, u.unwatched)
	}
	if len(u.affected) > 0 {
		into(p, found, scanLocked, lockWatchesAlso, u.watches, u.affected)
		into(p, purged, scanPurged, lockPurgedAlso, u.watches, u.affected)
		return
	}
	into(p, found, scanLocked, lockWatches, u.watches)
	if len(u.deliveries) > 0 || u.ofOthers {
		into(p, purged, scanPurged, lockPurged, u.watches)
	}
}

// own checks that the locks are those of all deliveries that were found: a row may have been purged, or inserted, in
// between.
func (g *ground) own(u *subjects, purged []purgedID, near []affected) error {
	held := make(map[string]bool, len(purged))
	for _, row := range purged {
		held[row.id] = true
		if !row.unwatched {
			g.gone[row.id] = true
		}
	}
	g.affected = make(map[string]*affected, len(near))
	for i := range near {
		g.affected[near[i].id] = &near[i]
	}
	owners := slices.Clone(u.unwatched)
	for _, id := range u.affected {
		if d := g.affected[id]; d != nil {
			owners = append(owners, d.watch)
		}
	}
	for _, id := range owners {
		if g.watches[id] == nil && !held[id] {
			return fmt.Errorf("lock watch %s: %w", id, errAgain)
		}
	}
	return nil
}
