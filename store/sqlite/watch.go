package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// watchColumns are the columns of a watch, in the order of watchArgs and scanWatch.
const watchColumns = `id, kind, attempt, state, org, project, domain, name, node,
	own_org, own_project, own_domain, own_name, wait, phase, version, missing, reason,
	created_at, ended_at, outputs, custom, inputs, trace`

// watchArgs returns a watch as watchColumns, and its two buckets. It is called before a write is queued, so that nothing of
// the caller's is used afterwards.
func watchArgs(w store.Watch) ([]any, error) {
	outputs, err := encode(w.Outputs, len(w.Outputs))
	if err != nil {
		return nil, fmt.Errorf("encode outputs: %w", err)
	}
	x, own := w.Execution, w.Own
	return []any{
		w.ID, string(w.Kind), w.Attempt, string(w.State), x.Org, x.Project, x.Domain, x.Name, w.Node,
		own.Org, own.Project, own.Domain, own.Name, w.Wait, w.Phase, w.Version, micros(w.Missing), w.Reason,
		w.CreatedAt.UnixMicro(), micros(w.EndedAt), outputs, verbatim(w.Custom), verbatim(w.Inputs), w.Trace,
		flyte.Bucket(x.Name), flyte.Bucket(own.Name),
	}, nil
}

// asRead is a watch as it is read once it is stored. It shares nothing with w.
func asRead(w store.Watch) store.Watch {
	w.CreatedAt, w.Missing, w.EndedAt = rounded(w.CreatedAt), rounded(w.Missing), rounded(w.EndedAt)
	w.Outputs = append([]string(nil), w.Outputs...)
	w.Custom, w.Inputs = append(json.RawMessage(nil), w.Custom...), append(json.RawMessage(nil), w.Inputs...)
	return w
}

// rounded is a time as a column holds it.
func rounded(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// scanWatch reads a row of watchColumns. With an engine.DamageError the watch holds all the rest.
func scanWatch(row scanner) (w store.Watch, err error) {
	var created int64
	var missing, ended sql.NullInt64
	var outputs, custom, inputs []byte
	x, own := &w.Execution, &w.Own
	err = row.Scan(
		&w.ID, &w.Kind, &w.Attempt, &w.State, &x.Org, &x.Project, &x.Domain, &x.Name, &w.Node,
		&own.Org, &own.Project, &own.Domain, &own.Name, &w.Wait, &w.Phase, &w.Version, &missing, &w.Reason,
		&created, &ended, &outputs, &custom, &inputs, &w.Trace,
	)
	if err != nil {
		return store.Watch{}, err
	}
	w.Custom, w.Inputs = json.RawMessage(custom), json.RawMessage(inputs)
	w.Missing, w.EndedAt = moment(missing), moment(ended)
	w.CreatedAt = time.UnixMicro(created).UTC()
	return w, decode(outputs, &w.Outputs, w.ID, "outputs")
}
