package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	// fallbackLook is the shortest pause between looks at a fallback that waits, and fallbackMost the longest: a tenth of
	// the time for which its messages have been tried. The outbox tells of what this server has settled, so that only
	// what a server did not live to tell waits for so long.
	fallbackLook = time.Minute
	fallbackMost = 10 * time.Minute

	fallbackRest  = 100 * time.Millisecond // after a look at what was settled here, so that the next is at many
	fallbackAgain = 5 * time.Second        // after one that failed
)

// outcomes are deliveries that this server has settled and whose fallbacks it has not looked at yet.
type outcomes struct {
	wake chan struct{}

	mu   sync.Mutex
	keys map[string]bool // of the notes that may wait for them
	any  bool            // one may have told of others: every note may wait for it
}

func newOutcomes() *outcomes {
	return &outcomes{wake: make(chan struct{}, 1), keys: map[string]bool{}}
}

// add has a note looked at; of more than wokenBatch all are.
func (o *outcomes) add(keys ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range keys {
		o.keys[key] = true
	}
	if o.any = o.any || len(o.keys) > wokenBatch; o.any {
		clear(o.keys)
	}
}

// addAny has all notes looked at.
func (o *outcomes) addAny() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.any = true
}

// tell wakes who waits for outcomes. It never blocks.
func (o *outcomes) tell() {
	select {
	case o.wake <- struct{}{}:
	default: // it wakes already
	}
}

// take returns what there is, and forgets it.
func (o *outcomes) take() (keys []string, every bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if every = o.any; !every {
		for key := range o.keys {
			keys = append(keys, key)
		}
	}
	clear(o.keys)
	o.any = false
	return keys, every
}

// Settled tells that the outbox of this server has settled a delivery: what is to be sent instead of a dead one is sent at
// once, and nobody waits any longer for what is not needed. It never blocks. Where it is not told, a look at the notes that
// are due finds it.
func (n *NotifierExecutor) Settled(d store.Delivery) {
	switch {
	case d.Fallback():
		return
	case d.State == store.Dead && tellsOthers(d):
		n.outcomes.addAny()
	default:
		n.outcomes.add(fallbackKey(d.Key))
	}
	n.outcomes.tell()
}

// tellsOthers says whether others were told in a delivery. Which ones, those alone say.
func tellsOthers(d store.Delivery) bool {
	if d.Bundle == "" {
		return false
	}
	c, err := render.Unmarshal(d.Content)
	return err != nil || c.Digest != nil
}

// fallbacks looks at what waits for deliveries: when the outbox tells of some, and when notes are due. One goroutine does
// both, one look after the other, so that two looks of this server never decide about the same note.
func (n *NotifierExecutor) fallbacks(ctx context.Context) error {
	n.outcomes.addAny() // of what was settled while nobody looked
	tick := time.NewTicker(dueEvery)
	defer tick.Stop()
	for due := true; ; {
		if err := sleep(ctx, n.lookAtFallbacks(ctx, due)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.outcomes.wake:
			due = false
		case <-tick.C:
			due = true
		}
	}
}

// lookAtFallbacks looks at the fallbacks of what was settled here, and at those that are due. As with what is held, any
// server does so, for all scopes. It returns for how long to rest: one that looks at all leaves half of the store's time
// to others.
func (n *NotifierExecutor) lookAtFallbacks(ctx context.Context, due bool) (rest time.Duration) {
	now := time.Now()
	keys, every := n.outcomes.take()
	err := n.fallBackFor(ctx, keys, every)
	switch {
	case err != nil && every:
		n.outcomes.addAny()
	case err != nil:
		n.outcomes.add(keys...)
	case every:
		rest = max(time.Since(now), fallbackRest)
	case len(keys) > 0:
		rest = fallbackRest
	}
	if due {
		err = errors.Join(err, n.dueFallbacks(ctx, now.UTC()))
	}
	if err != nil && ctx.Err() == nil {
		n.log.WarnContext(ctx, "fallbacks are held up", "error", err)
		rest = fallbackAgain
	}
	return rest
}

// fallBackFor looks at the notes with these keys, or at every one. One failure does not stop the others.
func (n *NotifierExecutor) fallBackFor(ctx context.Context, keys []string, every bool) error {
	if !every {
		if len(keys) == 0 {
			return nil
		}
		notes, err := n.store.Notes(ctx, noteFallback, keys)
		if err != nil {
			return fmt.Errorf("find what waits for %d deliveries: %w", len(keys), err)
		}
		return n.fallBack(ctx, notes)
	}
	var errs []error
	for after := ""; ; {
		notes, err := n.store.AllNotes(ctx, noteFallback, after, duePage)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("find what fallbacks wait for: %w", err))...)
		}
		errs = append(errs, n.fallBack(ctx, notes))
		if len(notes) < duePage {
			return errors.Join(errs...)
		}
		after = notes[len(notes)-1].Key
	}
}

// dueFallbacks looks at the fallbacks whose time has come.
func (n *NotifierExecutor) dueFallbacks(ctx context.Context, now time.Time) error {
	first, err := n.store.NextDue(ctx, noteFallback)
	if err != nil || first.IsZero() || first.After(now) {
		return err
	}
	return n.eachDue(ctx, noteFallback, now, func(due []store.Note) error { return n.fallBack(ctx, due) })
}
