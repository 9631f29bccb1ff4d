package postgres

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// watchColumns are the columns of a watch, in the order of scanWatch.
const watchColumns = `w.id, w.kind, w.attempt, w.state, w.org, w.project, w.domain, w.name, w.node,
	w.own_org, w.own_project, w.own_domain, w.own_name, w.wait, w.phase, w.version, w.trace, w.missing, w.reason,
	w.created_at, w.ended_at, w.outputs, w.custom, w.inputs`

// scanWatch reads a row of watchColumns. With an engine.DamageError the watch holds all the rest.
func scanWatch(row pgx.Row) (w store.Watch, err error) {
	var kind, state string
	var created int64
	var missing, ended *int64
	var outputs, custom, inputs *string
	x, own := &w.Execution, &w.Own
	err = row.Scan(
		&w.ID, &kind, &w.Attempt, &state, &x.Org, &x.Project, &x.Domain, &x.Name, &w.Node,
		&own.Org, &own.Project, &own.Domain, &own.Name, &w.Wait, &w.Phase, &w.Version, &w.Trace, &missing, &w.Reason,
		&created, &ended, &outputs, &custom, &inputs,
	)
	if err != nil {
		return store.Watch{}, err
	}
	w.Kind, w.State = store.Kind(kind), store.WatchState(state)
	w.Custom, w.Inputs = raw(custom), raw(inputs)
	w.Missing, w.EndedAt = moment(missing), moment(ended)
	w.CreatedAt = time.UnixMicro(created).UTC()
	return w, decode(outputs, &w.Outputs, w.ID, "outputs")
}

// cleanWatch returns the watch as it will be read back. Nothing in it is the caller's any more.
func cleanWatch(w store.Watch) store.Watch {
	x, own := &w.Execution, &w.Own
	cleanAll(&w.ID, &x.Org, &x.Project, &x.Domain, &x.Name, &w.Node, &own.Org, &own.Project, &own.Domain, &own.Name,
		&w.Phase, &w.Trace, &w.Reason)
	w.Kind, w.State = store.Kind(clean(string(w.Kind))), store.WatchState(clean(string(w.State)))
	w.Custom, w.Inputs = raw(verbatim(w.Custom)), raw(verbatim(w.Inputs))
	w.Missing, w.EndedAt = exact(w.Missing), exact(w.EndedAt)
	w.CreatedAt = time.UnixMicro(w.CreatedAt.UnixMicro()).UTC()
	outputs := make([]string, len(w.Outputs))
	for i, name := range w.Outputs {
		outputs[i] = clean(name)
	}
	w.Outputs = outputs
	return w
}

// watchRows are watches as columns: Postgres takes each column as one array, so that one statement
// serves any number of rows.
type watchRows struct {
	id, kind, state, org, project, domain, name, node []string
	ownOrg, ownProject, ownDomain, ownName            []string
	phase, trace, reason                              []string
	bucket, ownBucket                                 []int16
	attempt, version, created                         []int64
	wait                                              []bool
	missing, ended                                    []*int64
	outputs, custom, inputs                           []*string
}

// watchInput names the columns of watchRows.args, as a table i.
const watchInput = `unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
	$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::smallint[], $17::smallint[],
	$18::bigint[], $19::bigint[], $20::bigint[], $21::boolean[], $22::bigint[], $23::bigint[], $24::text[], $25::text[], $26::text[])
	AS i(id, kind, state, org, project, domain, name, node, own_org, own_project, own_domain, own_name,
	phase, trace, reason, bucket, own_bucket, attempt, version, created_at, wait, missing, ended_at, outputs, custom, inputs)`

// insertUnknown inserts those that were not purged. What is to become of those that are there follows it.
const insertUnknown = `INSERT INTO flyte_notifier.watches (id, kind, state, org, project, domain, name, node,
	own_org, own_project, own_domain, own_name, phase, trace, reason, bucket, own_bucket, attempt, version, created_at,
	wait, missing, ended_at, outputs, custom, inputs)
	SELECT i.* FROM ` + watchInput + ` WHERE NOT EXISTS (SELECT 1 FROM flyte_notifier.purged_watches p WHERE p.id = i.id AND NOT p.unwatched)`

func (r *watchRows) args() []any {
	return []any{
		r.id, r.kind, r.state, r.org, r.project, r.domain, r.name, r.node, r.ownOrg, r.ownProject, r.ownDomain, r.ownName,
		r.phase, r.trace, r.reason, r.bucket, r.ownBucket, r.attempt, r.version, r.created, r.wait,
		r.missing, r.ended, r.outputs, r.custom, r.inputs,
	}
}

// add appends a clean watch.
func (r *watchRows) add(w store.Watch) error {
	outputs, err := encode(w.Outputs, len(w.Outputs))
	if err != nil {
		return fmt.Errorf("encode outputs: %w", err)
	}
	x, own := w.Execution, w.Own
	r.id, r.kind, r.state = append(r.id, w.ID), append(r.kind, string(w.Kind)), append(r.state, string(w.State))
	r.org, r.project = append(r.org, x.Org), append(r.project, x.Project)
	r.domain, r.name, r.node = append(r.domain, x.Domain), append(r.name, x.Name), append(r.node, w.Node)
	r.ownOrg, r.ownProject = append(r.ownOrg, own.Org), append(r.ownProject, own.Project)
	r.ownDomain, r.ownName = append(r.ownDomain, own.Domain), append(r.ownName, own.Name)
	r.phase, r.trace, r.reason = append(r.phase, w.Phase), append(r.trace, w.Trace), append(r.reason, w.Reason)
	r.bucket, r.ownBucket = append(r.bucket, bucket(x.Name)), append(r.ownBucket, bucket(own.Name))
	r.attempt, r.version = append(r.attempt, int64(w.Attempt)), append(r.version, w.Version)
	r.created, r.wait = append(r.created, w.CreatedAt.UnixMicro()), append(r.wait, w.Wait)
	r.missing, r.ended = append(r.missing, micros(w.Missing)), append(r.ended, micros(w.EndedAt))
	r.outputs, r.custom, r.inputs = append(r.outputs, outputs), append(r.custom, verbatim(w.Custom)), append(r.inputs, verbatim(w.Inputs))
	return nil
}

// bucket is flyte.Bucket as a column.
func bucket(name string) int16 { return int16(flyte.Bucket(name)) } //nolint:gosec // below flyte.Buckets
