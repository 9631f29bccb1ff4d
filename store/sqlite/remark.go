package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// ownRemarks are remarks in which nothing is the caller's.
func ownRemarks(all []store.Remark) []store.Remark {
	own := slices.Clone(all)
	for i, r := range own {
		own[i].Events, own[i].Receipt = slices.Clone(r.Events), r.On(nil)
	}
	return own
}

// remarked is a delivery that is there, and what is remarked on it.
type remarked struct {
	store.Remark
	seq     int64
	watch   string
	state   store.DeliveryState
	receipt notifier.Receipt
}

// remarked finds the deliveries of remarks, as far as they are there.
func (t *tx) remarked(all []store.Remark) (found []remarked, err error) {
	const query = "SELECT seq, watch_id, state, receipt FROM deliveries WHERE id = ?"
	for _, r := range all {
		d := remarked{Remark: r}
		var receipt []byte
		err := t.row(query, []any{r.ID}, &d.seq, &d.watch, &d.state, &receipt)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case err != nil:
			return nil, fmt.Errorf("remark on delivery %s: %w", r.ID, err)
		}
		_ = decode(receipt, &d.receipt, r.ID, "receipt") // of one that is damaged nothing is left
		found = append(found, d)
	}
	return found, nil
}

// remark writes them down.
func (t *tx) remark(all []remarked) error {
	const show = "UPDATE deliveries SET receipt = ?1, last_error = coalesce(nullif(?2, ''), last_error) WHERE seq = ?3"
	for _, d := range all {
		for _, e := range d.Events {
			if err := t.addEvent(d.watch, e); err != nil {
				return fmt.Errorf("append event: %w", err)
			}
		}
		if !d.Shows(d.state) {
			continue
		}
		receipt := d.On(d.receipt)
		column, err := encode(receipt, len(receipt))
		if err == nil {
			err = t.exec(show, column, d.LastError, d.seq)
		}
		if err != nil {
			return fmt.Errorf("remark on delivery %s: %w", d.ID, err)
		}
	}
	return nil
}
