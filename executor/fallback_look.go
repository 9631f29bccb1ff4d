package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	fallbackBatch = 100 // notes whose deliveries are in memory at once
	toldDepth     = 50  // digests that are told in another, see fold; each has at least a page
)

// fallen is a note with what it waits for.
type fallen struct {
	note  store.Note
	waits awaiting
	news  bool // the note does not have all that is known
}

// fates are deliveries by id: those that notes wait for, and those that tell of them.
type fates map[string]store.Delivery

// fallBack decides about fallbacks, as far as it can be told. One failure does not stop the others.
func (n *NotifierExecutor) fallBack(ctx context.Context, notes []store.Note) error {
	var errs []error
	for batch := range slices.Chunk(notes, fallbackBatch) {
		var all []fallen
		var unreadable []store.Note
		for _, note := range batch {
			f := fallen{note: note}
			if err := json.Unmarshal(note.Body, &f.waits); err != nil {
				n.log.ErrorContext(ctx, "what a fallback waits for cannot be read", "execution", note.Execution.String(), "error", err)
				unreadable = append(unreadable, note) // another version wrote it, which may be back
				continue
			}
			all = append(all, f)
		}
		if len(unreadable) > 0 {
			errs = append(errs, n.forget(ctx, unreadable, func(note *store.Note, now time.Time) { note.Due = now.Add(time.Hour) }))
		}
		known, err := n.fates(ctx, all)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, n.decide(ctx, all, known))
	}
	return errors.Join(errs...)
}

// fates reads what became of the deliveries, and of those that tell of them.
func (n *NotifierExecutor) fates(ctx context.Context, all []fallen) (fates, error) {
	var ids []string
	for _, f := range all {
		ids = append(ids, slices.Concat(f.waits.Sends, f.waits.Fallbacks)...)
	}
	known := fates{}
	for range toldDepth {
		if len(ids) == 0 {
			break
		}
		found, err := n.store.DeliveriesOf(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read what fallbacks wait for: %w", err)
		}
		ids = nil
		for _, d := range found {
			known[d.ID] = d
		}
		for _, d := range found {
			if _, there := known[toldBy(d)]; !there && toldBy(d) != "" && !slices.Contains(ids, toldBy(d)) {
				ids = append(ids, toldBy(d))
			}
		}
	}
	return known, nil
}

// toldBy is the id of the message that a delivery was told in, see toldIn; empty for others.
func toldBy(d store.Delivery) string {
	rest, told := strings.CutPrefix(d.LastError, toldInPrefix)
	id, told2 := strings.CutSuffix(rest, toldInSuffix)
	if d.State != store.Superseded || !told || !told2 {
		return ""
	}
	return id
}

// of is what became of a message: it shares the fate of the one that it was told in. One that is gone was settled long
// ago, and nobody waits for a fallback any more.
func (known fates) of(id string) (d store.Delivery, there bool) {
	for range toldDepth {
		if d, there = known[id]; !there || toldBy(d) == "" {
			return d, there
		}
		id = toldBy(d)
	}
	return d, there
}

// decide releases fallbacks, ends them, or puts them off.
func (n *NotifierExecutor) decide(ctx context.Context, all []fallen, known fates) error {
	now := time.Now().UTC()
	var errs []error
	var later []fallen
	dead := map[string][]fallen{}
	for _, f := range all {
		roots, until, why := f.judge(known, now)
		if why == "" && until.IsZero() {
			until = n.quietFor(f, known, now)
		}
		switch {
		case why != "":
			errs = append(errs, n.end(ctx, f, known, why))
		case !until.IsZero():
			if f.putOff(until, now) {
				later = append(later, f)
			}
		default:
			dead[roots] = append(dead[roots], f)
		}
	}
	for _, same := range dead {
		errs = append(errs, n.sendInstead(ctx, same, known))
	}
	return errors.Join(append(errs, n.wait(ctx, later))...)
}

// judge says why the fallback is not needed, until when it waits at least, or the ids of the dead messages that it stands
// in for, which are the same for all that was told in one. One of which a message arrived, or that somebody has silenced
// or taken back, is not needed, whatever becomes of the others.
func (f *fallen) judge(known fates, now time.Time) (roots string, until time.Time, why string) {
	var dead []string
	for _, id := range f.waits.Sends {
		d, there := known.of(id)
		switch {
		case !there && f.waits.Dead[id] != "":
			dead = append(dead, f.waits.Dead[id])
		case !there:
			return "", until, "not needed: what became of " + id + " is long past"
		case d.State == store.Dead:
			f.news = f.waits.saw(id, d.ID) || f.news
			dead = append(dead, d.ID)
		case d.State.Settled():
			return "", until, fmt.Sprintf("not needed: %s is %s", d.ID, d.State)
		default: // what is held is sent later still
			tried := now.Sub(latest(d.Since, d.HeldUntil))
			until = earliest(until, latest(now.Add(min(max(tried/10, fallbackLook), fallbackMost)), d.HeldUntil.Add(fallbackLook)))
		}
	}
	return strings.Join(dead, " "), until, ""
}

// putOff has the fallback looked at then, and returns whether that, or what was learned of it, is to be written: a note
// that was looked at before its time mostly stays as it is.
func (f *fallen) putOff(until, now time.Time) bool {
	if !f.note.Due.After(now) || until.Before(f.note.Due) {
		f.note.Due, f.news = until, true
	}
	return f.news
}

// wait writes the notes of what goes on waiting.
func (n *NotifierExecutor) wait(ctx context.Context, later []fallen) (err error) {
	if len(later) == 0 {
		return nil
	}
	c := store.Change{At: time.Now().UTC()}
	for _, f := range later {
		if f.note.Body, err = json.Marshal(f.waits); err != nil {
			return fmt.Errorf("keep what a fallback waits for: %w", err)
		}
		c.Notes = append(c.Notes, f.note)
	}
	return n.orAgain(n.store.Write(ctx, c), later)
}

// orAgain is an error other than that somebody else was at what was to be written. Their notes stay then, and are looked
// at once more, by what is stored now.
func (n *NotifierExecutor) orAgain(err error, refused []fallen) error {
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	for _, f := range refused {
		n.outcomes.add(f.note.Key)
	}
	return nil
}

// quietFor is when the quiet hours are over in which a fallback shall not go out.
func (n *NotifierExecutor) quietFor(f fallen, known fates, now time.Time) (end time.Time) {
	for _, id := range f.waits.Fallbacks {
		if d := known[id]; d.State == store.Held {
			end = latest(end, spec.UntilAll(now, f.waits.Quiet, n.quietOf(d.Connection)).UTC())
		}
	}
	return end
}

// held are the fallbacks that wait still: somebody may have taken them back.
func (f fallen) held(known fates) (all []store.Delivery) {
	for _, id := range f.waits.Fallbacks {
		if d := known[id]; d.State == store.Held {
			all = append(all, d)
		}
	}
	return all
}

// end takes a fallback back that is not needed.
func (n *NotifierExecutor) end(ctx context.Context, f fallen, known fates, why string) error {
	f.note.Removed = true
	c := store.Change{At: time.Now().UTC(), Notes: []store.Note{f.note}, Superseded: idsOf(f.held(known)), Why: why}
	return n.orAgain(n.store.Write(ctx, c), []fallen{f})
}

// sendInstead releases fallbacks. Those of what was told in one message are one message to each place as well. Where
// somebody else was at one of them, none of the places after it is gone on with: the last one removes the notes, and what
// is held without a note is never sent.
func (n *NotifierExecutor) sendInstead(ctx context.Context, same []fallen, known fates) error {
	if len(same) == 1 {
		c := store.Change{}
		for _, d := range same[0].held(known) {
			c.Released = append(c.Released, store.Release{ID: d.ID})
		}
		return n.orAgain(n.released(ctx, c, same), same)
	}
	places := map[string][]store.Delivery{}
	for _, f := range same {
		for _, d := range f.held(known) {
			places[n.place(d)] = append(places[n.place(d)], d)
		}
	}
	left := len(places)
	for _, held := range places {
		var c store.Change
		slices.SortFunc(held, func(a, b store.Delivery) int { return a.CreatedAt.Compare(b.CreatedAt) })
		if err := tellAll(&c, held); err != nil {
			return err
		}
		left--
		done := same
		if left > 0 { // the notes go with the last place: until then whoever comes after a crash sends to the rest
			done = nil
		}
		if err := n.released(ctx, c, done); err != nil {
			return n.orAgain(err, same)
		}
	}
	if len(places) == 0 {
		return n.orAgain(n.released(ctx, store.Change{}, same), same)
	}
	return nil
}

// released writes a release, and removes the notes of what is done with it. The error is store.ErrConflict where somebody
// else was at one of them.
func (n *NotifierExecutor) released(ctx context.Context, c store.Change, done []fallen) error {
	c.At = time.Now().UTC()
	for _, f := range done {
		f.note.Removed = true
		c.Notes = append(c.Notes, f.note)
	}
	if err := n.store.Write(ctx, c); err != nil {
		return err
	}
	if len(c.Released) > 0 {
		n.log.InfoContext(ctx, "all messages are dead: the fallback is sent", "delivery", c.Released[0].ID, "deliveries", len(c.Released))
		n.delivered(nil)
	}
	return nil
}
