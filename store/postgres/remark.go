package postgres

import (
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// cleanRemarks returns remarks as they will be read back. Nothing in them is the caller's any more.
func cleanRemarks(all []store.Remark) []store.Remark {
	own := make([]store.Remark, 0, len(all))
	for _, r := range all {
		receipt := notifier.Receipt{}
		for key, value := range r.Receipt {
			receipt[clean(key)] = clean(value)
		}
		own = append(own, store.Remark{ID: clean(r.ID), Events: append([]store.Event(nil), r.Events...), Receipt: receipt, LastError: clean(r.LastError)})
	}
	return own
}

// remarkRows are the deliveries of which remarks change the row, as columns.
type remarkRows struct {
	id, lastError []string
	receipt       []*string
}

// remark notes what is remarked on deliveries that are there. Later moves of the batch see it.
func (w *moves) remark(g *ground, all []store.Remark) error {
	for _, r := range all {
		d := g.affected[r.ID]
		if d == nil {
			continue
		}
		for _, e := range r.Events {
			w.tell(g, d, e)
		}
		if !r.Shows(d.state) {
			continue
		}
		var before notifier.Receipt
		_ = decode(d.receipt, &before, d.id, "receipt") // of one that is damaged nothing is left
		after := r.On(before)
		column, err := encode(after, len(after))
		if err != nil {
			return fmt.Errorf("encode receipt of delivery %s: %w", d.id, err)
		}
		d.receipt = column
		o := &w.remarks
		o.id, o.receipt, o.lastError = append(o.id, d.id), append(o.receipt, column), append(o.lastError, r.LastError)
	}
	return nil
}

// save puts the statements in the pipeline, if there are any: one for each row, since several moves of a batch may
// remark on one delivery.
func (r *remarkRows) save(p *pipeline) {
	const show = `UPDATE flyte_notifier.deliveries SET receipt = $2, last_error = coalesce(nullif($3, ''), last_error) WHERE id = $1`
	for i, id := range r.id {
		p.exec(show, id, r.receipt[i], r.lastError[i])
	}
}
