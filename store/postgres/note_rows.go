package postgres

import (
	"maps"
	"slices"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteRows are what notes come to be.
type noteRows struct {
	written map[noteKey]store.Note // with the version that they come to have
	removed map[noteKey]bool       // before that
}

// note adds notes that hold. Those of a purged watch are not kept.
func (w *moves) note(g *ground, notes []store.Note) {
	for _, n := range notes {
		k := noteKeyOf(n)
		if w.notes.written == nil {
			w.notes.written, w.notes.removed = map[noteKey]store.Note{}, map[noteKey]bool{}
		}
		switch {
		case n.Removed:
			if n.Version > 0 {
				w.notes.removed[k] = true
			}
			delete(w.notes.written, k)
			delete(g.notes, k)
		case n.Version == 0 && n.WatchID != "" && g.gone[n.WatchID]:
		default:
			n.Version++
			w.notes.written[k], g.notes[k] = n, n.Version
		}
	}
}

// save puts the statements in the pipeline, if there are any. Of two transactions that insert the same note the
// second finds it, and is done again: then it has a lock to wait for.
func (r *noteRows) save(p *pipeline) {
	const remove = `DELETE FROM flyte_notifier.notes n USING unnest($1::text[], $2::text[]) AS i(kind, key)
		WHERE n.kind = i.kind AND n.key = i.key`
	const write = `INSERT INTO flyte_notifier.notes AS n (kind, key, watch_id, org, project, domain, name, due, version, body)
		SELECT i.* FROM ` + noteInput + ` ORDER BY i.kind, i.key
		ON CONFLICT (kind, key) DO UPDATE SET org = excluded.org, project = excluded.project, domain = excluded.domain,
			name = excluded.name, due = excluded.due, version = excluded.version, body = excluded.body
		WHERE n.version = excluded.version - 1`
	if len(r.removed) > 0 {
		var kinds, keys []string
		for k := range r.removed {
			kinds, keys = append(kinds, k.kind), append(keys, k.key)
		}
		p.exec(remove, kinds, keys)
	}
	if n := len(r.written); n > 0 {
		p.batch.Queue(write, r.args()...).Exec(inserted(n))
	}
}

// noteInput names the columns of noteRows.args, as a table i.
const noteInput = `unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
	$8::bigint[], $9::bigint[], $10::text[]) AS i(kind, key, watch_id, org, project, domain, name, due, version, body)`

// args are the notes as columns, see watchRows.
func (r *noteRows) args() []any {
	var kinds, keys, watches, orgs, projects, domains, names []string
	var dues []*int64
	var versions []int64
	var bodies []*string
	for _, k := range slices.SortedFunc(maps.Keys(r.written), noteKey.compare) {
		n := r.written[k]
		x := n.Execution
		kinds, keys, watches = append(kinds, n.Kind), append(keys, n.Key), append(watches, n.WatchID)
		orgs, projects = append(orgs, x.Org), append(projects, x.Project)
		domains, names = append(domains, x.Domain), append(names, x.Name)
		dues, versions, bodies = append(dues, micros(n.Due)), append(versions, n.Version), append(bodies, verbatim(n.Body))
	}
	return []any{kinds, keys, watches, orgs, projects, domains, names, dues, versions, bodies}
}
