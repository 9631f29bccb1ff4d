package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	writeTries  = 8 // of a change that others may make at the same time
	lookBack    = 30 * 24 * time.Hour
	noteHeard   = "heard" // the kind of note that says what was told of a delivery; it is due when it may go
	rememberFor = 72 * time.Hour
	receiptKey  = "event" // of a delivery's receipt: its heaviest fate
	eventPrefix = "mail_" // of the kinds of events on timelines
)

// errUnderWay is that of news about a delivery whose attempt is not settled: its receipt is still to come, and would
// hide what was told. It is a matter of seconds.
var errUnderWay = errors.New("the attempt is still under way")

// record writes down all that is new, in one transaction. News that were told before, and those about deliveries that
// are not the connection's, change nothing.
func (s *Server) record(ctx context.Context, c *notifier.Connection, news []notifier.News, now time.Time) error {
	if len(news) == 0 {
		return nil
	}
	for range writeTries {
		b, err := s.read(ctx, c, news)
		if err == nil {
			err = b.write(ctx, s.store, now)
		}
		if errors.Is(err, store.ErrConflict) { // another server was told of the same deliveries
			continue
		}
		if err != nil {
			return fmt.Errorf("record what %s tells: %w", c.Kind, err)
		}
		s.metrics.count(b)
		b.tell(ctx, s.log)
		return nil
	}
	return fmt.Errorf("record what %s tells: %w", c.Kind, store.ErrConflict)
}

// batch is what a call tells, by delivery.
type batch struct {
	remarks  []store.Remark
	notes    []store.Note
	lost     []lost
	ignored  map[string]int // why → news
	recorded map[notifier.Fate]int
}

// lost is a message that did not arrive, for the log.
type lost struct {
	delivery store.Delivery
	fate     notifier.Fate
}

// read finds what is new. The notes are read before the deliveries: who changes a delivery in between changes its
// note as well, and the write meets a conflict.
func (s *Server) read(ctx context.Context, c *notifier.Connection, news []notifier.News) (*batch, error) {
	ids, byID := byDelivery(news)
	notes, err := s.store.Notes(ctx, noteHeard, ids)
	if err != nil {
		return nil, err
	}
	known := make(map[string]store.Note, len(notes))
	for _, n := range notes {
		known[n.Key] = n
	}
	deliveries, err := s.store.DeliveriesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	b := &batch{ignored: map[string]int{}, recorded: map[notifier.Fate]int{}}
	for _, d := range deliveries {
		// The key of one connection proves nothing about what another sent.
		if d.Kind != c.Kind || d.Connection != c.Name {
			continue
		}
		if err := b.add(d, known[d.ID], byID[d.ID]); err != nil {
			return nil, err
		}
		delete(byID, d.ID)
	}
	for _, all := range byID {
		b.ignored[foreign] += len(all)
	}
	return b, nil
}

// byDelivery returns the deliveries that news are about, in their order, and those of each.
func byDelivery(news []notifier.News) (ids []string, byID map[string][]notifier.News) {
	byID = map[string][]notifier.News{}
	for _, n := range news {
		if byID[n.Key] == nil {
			ids = append(ids, n.Key)
		}
		byID[n.Key] = append(byID[n.Key], n)
	}
	return ids, byID
}

// add adds what is new about a delivery.
func (b *batch) add(d store.Delivery, n store.Note, news []notifier.News) error {
	seen := readMemory(n)
	r := store.Remark{ID: d.ID}
	heaviest := notifier.Fate(d.Receipt[receiptKey])
	for _, one := range news {
		if why := seen.add(one.ID); why != "" {
			b.ignored[why]++
			continue
		}
		b.recorded[one.Fate]++
		r.Events = append(r.Events, store.Event{At: one.At, Kind: eventPrefix + string(one.Fate), Text: d.ID + ": " + one.Text})
		if one.Fate.Weighs() <= heaviest.Weighs() {
			continue
		}
		heaviest = one.Fate
		r.Receipt = notifier.Receipt{receiptKey: string(one.Fate)}
		if one.Fate.Failed() {
			r.LastError = one.Text
		}
	}
	if len(r.Events) == 0 {
		return nil
	}
	if !d.OpenedAt.IsZero() {
		return fmt.Errorf("delivery %s: %w", d.ID, errUnderWay)
	}
	if r.LastError != "" {
		b.lost = append(b.lost, lost{d, heaviest})
	}
	b.remarks = append(b.remarks, r)
	b.notes = append(b.notes, seen.note(d.ID, n))
	return nil
}

// write is one transaction.
func (b *batch) write(ctx context.Context, s Store, now time.Time) error {
	if len(b.remarks) == 0 {
		return nil
	}
	for _, r := range b.remarks {
		for i, e := range r.Events {
			if e.At.After(now) || e.At.Before(now.Add(-lookBack)) { // a service's clock may be anything
				r.Events[i].At = now
			}
		}
	}
	for i := range b.notes {
		b.notes[i].Due = now.Add(rememberFor)
	}
	return s.Write(ctx, store.Change{At: now, Notes: b.notes, Remarks: b.remarks})
}
