package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	silencesFor  = 2 * time.Second // how long the silences are known without another look
	silencesTime = 3 * time.Second // for that look
)

// silences are those that the outbox knows. They are read when something is to be sent, so that an idle outbox
// asks nothing.
type silences struct {
	turn    chan struct{} // held by the one who looks at them, or into the store
	all     []Silence     // that had not expired when they were read
	tried   time.Time     // when the store was asked last
	known   bool          // it has answered, ever
	failing bool          // its last answer was an error, which was told
}

func newSilences() *silences { return &silences{turn: make(chan struct{}, 1)} }

// knownSilences returns the silences, as they were silencesFor ago at most. If the store fails they are those that it
// told last. It is not ok if the store told nothing ever, or ctx has ended.
func (o *Outbox) knownSilences(ctx context.Context) (all []Silence, ok bool) {
	s := o.silences
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	defer func() { <-s.turn }()
	if s.tried.IsZero() || time.Since(s.tried) >= silencesFor {
		o.readSilences(ctx)
	}
	return s.all, s.known
}

// readSilences reads them anew, under the turn.
func (o *Outbox) readSilences(ctx context.Context) {
	s := o.silences
	look, cancel := context.WithTimeout(ctx, silencesTime)
	defer cancel()
	now := time.Now()
	all, err := Silences(look, o.Store)
	if ctx.Err() != nil {
		return // who asked has no time left: no fault of the store
	}
	s.tried = time.Now()
	if err != nil && !s.failing {
		o.Log.WarnContext(ctx, "silences cannot be read; those known hold on", "error", err)
	}
	s.failing = err != nil
	if err != nil && !errors.Is(err, ErrUnreadable) {
		return
	}
	s.all, s.known = nil, true
	for _, silence := range all {
		if silence.State(now) != SilenceExpired {
			s.all = append(s.all, silence)
		}
	}
}

// silenced settles a delivery that a silence holds back. It is judged before anything is asked of the service,
// and again when it is about to be sent: it may have waited for long in between. done: this step has ended, and the
// delivery waits for again if it was not settled.
func (l *line) silenced(u until, d store.Delivery) (again time.Duration, done bool) {
	if redriven(&d) || ofSeveral(d) {
		return 0, false
	}
	ctx, cancel := u.waiting()
	defer cancel()
	for !u.over() {
		if all, ok := l.outbox.knownSilences(u.call); ok {
			s := silencing(all, &d, time.Now())
			if s == nil {
				return 0, false
			}
			return l.outbox.settle(u.record, d, l.outbox.heldBack(d, s)), true
		}
		if !l.pause(ctx, settleEvery, l.outbox.terms.Load()) { // a store that does not answer this takes no attempt's start either
			break
		}
	}
	return l.putOff(u, settleEvery, partyOf(d)), true
}

// silencing is the first active silence that matches a delivery, if there is one. What tells the operators of dead messages
// is about no project: a silence of those, even of all, is none of it, unless it names that rule.
func silencing(all []Silence, d *store.Delivery, now time.Time) *Silence {
	for i := range all {
		s := &all[i]
		if d.WatchID == OpsName && s.Match.Rule != OpsName {
			continue
		}
		if s.State(now) == SilenceActive && s.Match.Matches(d) {
			return s
		}
	}
	return nil
}

// redriven says whether somebody wants a delivery to be sent that was settled already. Since was set anew then; so
// it was when a delivery was released that had been held, which is still known of that one.
func redriven(d *store.Delivery) bool {
	return !d.Since.Equal(d.CreatedAt) && d.HeldUntil.IsZero() && d.Bundle == ""
}

// Silenced says whether a silence would hold the delivery back now, as far as it is known.
func (o *Outbox) Silenced(ctx context.Context, d store.Delivery) bool {
	all, _ := o.knownSilences(ctx)
	return silencing(all, &d, time.Now()) != nil
}

// heldBack is the outcome of a delivery that a silence holds back.
func (o *Outbox) heldBack(d store.Delivery, s *Silence) store.Outcome {
	o.strikes.clear(d.ID)
	now, why := time.Now().UTC(), s.why()
	return store.Outcome{
		Attempt: attemptOf(d), State: store.Silenced, Double: d.Double, RenderError: d.RenderError, LastError: why, At: now,
		Event: store.Event{At: now, Kind: "silenced", Text: fmt.Sprintf("%s: %s to %s %s", d.ID, d.Kind, d.Address, why)},
	}
}
