package executor_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// turn is a phase that an execution enters.
type turn struct {
	phase string
	at    time.Time // by flyteadmin's clock, which is what its reads by time go by
	seen  time.Time // from when on it is visible
}

// soakGate is a question that an execution asks until it is answered.
type soakGate struct {
	signal string
	span   span
}

// life is all that ever happens to an execution.
type life struct {
	id      flyte.ExecutionID
	plan    string
	team    string
	created time.Time
	found   time.Time // from when on it is visible; its first turn too
	turns   []turn
	gates   []soakGate
	node    span   // of its node n1; zero: it never started
	nodeEnd string // that node's last phase
	limit   time.Duration
}

// now is the turn that is visible at a time; false before the first.
func (l *life) now(t time.Time) (turn, bool) {
	last, ok := turn{}, false
	for _, s := range l.turns {
		if s.seen.After(t) {
			break
		}
		last, ok = s, true
	}
	return last, ok
}

// start is the turn with which it began to run; the zero one if it never did.
func (l *life) start() turn {
	i := slices.IndexFunc(l.turns, func(s turn) bool { return s.phase == "RUNNING" })
	if i < 0 {
		return turn{}
	}
	return l.turns[i]
}

// facts are what flyteadmin tells at a time.
func (l *life) facts(t time.Time) (flyte.Execution, bool) {
	s, ok := l.now(t)
	if !ok {
		return flyte.Execution{}, false
	}
	x := flyte.Execution{
		ID: l.id, Phase: s.phase, Workflow: "train", LaunchPlan: l.plan, CreatedAt: l.created,
		Labels: map[string]string{"team": l.team},
	}
	if start := l.start(); !start.at.IsZero() && !start.seen.After(t) {
		x.StartedAt = start.at
	}
	if flyte.Terminal(s.phase) {
		x.EndedAt = s.at
	}
	return x, true
}

// nodeAt is what flyteadmin tells of n1.
func (l *life) nodeAt(t time.Time) (flyte.Node, bool) {
	if l.node.from.IsZero() || t.Before(l.node.from) {
		return flyte.Node{}, false
	}
	n := flyte.Node{ID: "n1", Phase: "RUNNING", CreatedAt: l.node.from, StartedAt: l.node.from, Timeout: l.limit}
	if !t.Before(l.node.to) {
		n.Phase, n.EndedAt = l.nodeEnd, l.node.to
	}
	return n, true
}

// visible are the times at which it is seen in such a turn; n is the turn's place.
func (l *life) visible(in func(n int, s turn) bool) (all []span) {
	for i, s := range l.turns {
		to := forever
		if i+1 < len(l.turns) {
			to = l.turns[i+1].seen
		}
		if in(i, s) && s.seen.Before(to) {
			all = append(all, span{s.seen, to})
		}
	}
	return all
}

// fate draws lives.
type fate struct {
	*rand.Rand
}

// between draws a time from lo to hi, in whole milliseconds: the store keeps microseconds.
func (f fate) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(f.Int64N(int64(hi-lo))).Truncate(time.Millisecond)
}

// chance is true with this probability.
func (f fate) chance(p float64) bool { return f.Float64() < p }

// pick draws one.
func pick[T any](f fate, all ...T) T { return all[f.IntN(len(all))] }

// lag is how long after flyteadmin's own time a change is visible.
func (f fate) lag() time.Duration {
	switch p := f.Float64(); {
	case p < 0.7:
		return f.between(time.Millisecond, 500*time.Millisecond)
	case p < 0.98:
		return f.between(time.Second, 13*time.Second)
	default:
		return f.between(20*time.Second, 50*time.Second) // later than reads by time reach back
	}
}

// quick is a lag that reads by time always see through.
func (f fate) quick() time.Duration { return f.between(time.Millisecond, 5*time.Second) }

// live draws the life of an execution that is created at a time.
func (f fate) live(n int, created time.Time) *life {
	l := &life{
		id:   flyte.ExecutionID{Scope: pick(f, soakScopes()...), Name: fmt.Sprintf("f%05d", n)},
		plan: pick(f, "nightly", "hourly", "adhoc", "weekly"), team: pick(f, "ml", "web"), created: created,
	}
	l.found = created.Add(f.between(10*time.Millisecond, 2*time.Second))
	if f.chance(0.1) {
		l.found = created.Add(f.between(2*time.Second, time.Minute))
	}
	l.turns = []turn{{"QUEUED", created, l.found}}
	at := created.Add(f.between(10*time.Second, 15*time.Minute))
	if f.chance(0.03) {
		l.turn("ABORTED", at, f.lag())
		return l
	}
	l.turn("RUNNING", at, f.lag())
	end := at.Add(f.between(time.Minute, 40*time.Minute))
	if f.chance(0.4) {
		end = at.Add(f.between(30*time.Minute, 5*time.Hour))
	}
	l.inside(f, at, end)
	l.end(f, end)
	return l
}

// turn adds a turn, which is visible no earlier than those before.
func (l *life) turn(phase string, at time.Time, lag time.Duration) {
	seen := at.Add(lag)
	if last := l.turns[len(l.turns)-1].seen; seen.Before(last) {
		seen = last
	}
	l.turns = append(l.turns, turn{phase, at, seen})
}

// end adds how it ends, perhaps not for good.
func (l *life) end(f fate, at time.Time) {
	phase := pick(f, "SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED", "FAILED", "TIMED_OUT", "ABORTED")
	switch phase {
	case "FAILED":
		l.turn("FAILING", at.Add(-f.between(2*time.Second, 3*time.Minute)), f.lag())
	case "ABORTED":
		l.turn("ABORTING", at.Add(-f.between(time.Second, time.Minute)), f.lag())
	case "SUCCEEDED":
		l.turn("SUCCEEDING", at.Add(-f.between(time.Second, 20*time.Second)), f.lag())
	}
	if !f.chance(0.04) {
		l.turn(phase, at, f.lag())
		return
	}
	l.turn(phase, at, f.quick())
	back := at.Add(f.between(10*time.Second, 4*time.Minute))
	l.turn("RUNNING", back, f.quick())
	l.turn(pick(f, "SUCCEEDED", "FAILED", "ABORTED"), back.Add(f.between(time.Minute, time.Hour)), f.quick())
}

// inside adds gates and the node.
func (l *life) inside(f fate, from, to time.Time) {
	if to.Sub(from) < 5*time.Minute {
		return
	}
	l.node = span{from.Add(f.between(time.Second, 20*time.Second)), to.Add(-f.between(time.Second, 2*time.Minute))}
	l.nodeEnd = pick(f, "SUCCEEDED", "FAILED")
	if f.chance(0.3) {
		l.limit = f.between(to.Sub(from)*8/10, to.Sub(from)*2)
	}
	for i := range f.IntN(3) {
		asked := from.Add(f.between(0, to.Sub(from)))
		l.gates = append(l.gates, soakGate{fmt.Sprintf("g%d", i), span{asked, asked.Add(f.between(30*time.Second, 2*time.Hour))}})
	}
}

// soakScopes are where executions run.
func soakScopes() []flyte.Scope {
	return []flyte.Scope{{Project: "ml", Domain: "production"}, {Project: "web", Domain: "production"}}
}
