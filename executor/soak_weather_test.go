package executor_test

import (
	"slices"
	"sync"
	"time"
)

// span is a time from one moment to another, without that.
type span struct{ from, to time.Time }

// forever is later than any soak.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func (s span) has(t time.Time) bool { return !t.Before(s.from) && t.Before(s.to) }

// and is what two spans have in common.
func (s span) and(o span) span {
	if o.from.After(s.from) {
		s.from = o.from
	}
	if o.to.Before(s.to) {
		s.to = o.to
	}
	return s
}

// both are the times that are in spans of both lists.
func both(a []span, b ...span) (all []span) {
	for _, x := range a {
		for _, y := range b {
			if s := x.and(y); s.from.Before(s.to) {
				all = append(all, s)
			}
		}
	}
	return all
}

func since(t time.Time) span { return span{t, forever} }

// weather is when the server ran and flyteadmin answered.
type weather struct {
	mu      sync.Mutex
	outages []span      // of flyteadmin, known before
	runs    []span      // of servers
	bumps   []time.Time // failures of the store that no server died of
	calm    []span      // between all these
}

// down says whether flyteadmin does not answer.
func (w *weather) down(t time.Time) bool {
	for _, o := range w.outages {
		if o.has(t) {
			return true
		}
	}
	return false
}

func (w *weather) bump() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bumps = append(w.bumps, time.Now().UTC())
}

func (w *weather) ran(s span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs = append(w.runs, s)
}

// settle finds the calm times, once all is over.
func (w *weather) settle() {
	calm := w.runs
	for _, o := range w.outages {
		calm = both(calm, span{time.Time{}, o.from}, span{o.to, forever})
	}
	for _, at := range w.bumps {
		calm = both(calm, span{time.Time{}, at}, span{at, forever})
	}
	w.calm = calm
}

// running says whether a server did at that time.
func (w *weather) running(t time.Time) bool {
	return slices.ContainsFunc(w.runs, func(s span) bool { return !t.Before(s.from) && !t.After(s.to) })
}

// up says whether a server ran at that time, and flyteadmin answered.
func (w *weather) up(t time.Time) bool {
	for _, s := range w.runs {
		if !t.Before(s.from) && !t.After(s.to) {
			return !w.down(t)
		}
	}
	return false
}

// by is until when what can be seen at these times has certainly been seen by a server that needs so long
// for it when it is calm; zero: perhaps never.
func (w *weather) by(spans []span, within time.Duration) (by time.Time) {
	for _, s := range spans {
		for _, c := range w.calmIn(s) {
			if c = c.and(s); c.to.Sub(c.from) < within {
				continue
			}
			if at := c.from.Add(within); by.IsZero() || at.Before(by) {
				by = at
			}
			break
		}
	}
	return by
}

// calmIn are the calm times that are in a span in part.
func (w *weather) calmIn(s span) []span {
	i, _ := slices.BinarySearchFunc(w.calm, s.from, func(c span, t time.Time) int { return c.to.Compare(t) })
	j := i
	for j < len(w.calm) && w.calm[j].from.Before(s.to) {
		j++
	}
	return w.calm[i:j]
}

// seen says whether a server may have looked at one of these times.
func (w *weather) seen(spans []span) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return len(both(w.calmIn(s), s)) > 0 })
}
