package executor_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// soakCondition is a condition that a life makes true at some times.
type soakCondition struct {
	reason string
	true   []span // as far as anybody can see
	inside bool   // of what no list call tells
}

// conditions are what the life makes of a condition other than a phase.
func (a *account) conditions(w spec.When) (all []soakCondition) {
	l := a.life
	runs := l.visible(func(n int, s turn) bool {
		return alive(s.phase) && n >= slices.IndexFunc(l.turns, func(s turn) bool { return s.phase == "RUNNING" })
	})
	open := l.visible(func(_ int, s turn) bool { return alive(s.phase) })
	start := l.start()
	if start.at.IsZero() {
		runs = nil
	}
	timer := func(spans []span, reason string, at time.Time) {
		all = append(all, soakCondition{reason: reason, true: both(spans, since(at))})
	}
	switch kind := w.Is(); kind {
	case spec.WhenRunningFor:
		timer(runs, "running_for:"+w.For.String(), start.at.Add(w.For))
	case spec.WhenQueuedFor:
		timer(l.visible(func(_ int, s turn) bool { return s.phase == "QUEUED" }), "queued_for:"+w.For.String(), l.created.Add(w.For))
	case spec.WhenDeadline:
		if in := w.Deadline.In; in != nil {
			timer(runs, "deadline:"+in.String(), start.at.Add(*in))
			break
		}
		// Paris is an hour ahead in the winter that a soak begins in.
		six := l.created.Truncate(24 * time.Hour).Add(5 * time.Hour)
		if !six.After(l.created) {
			six = six.Add(24 * time.Hour)
		}
		timer(open, "deadline:06:00 Europe/Paris", six)
	case spec.WhenGate:
		for _, g := range l.gates {
			all = append(all, soakCondition{"gate:" + g.signal, both(open, g.span), true})
		}
	case spec.WhenNode:
		if !l.node.to.IsZero() && slices.Contains(w.NodePhases, l.nodeEnd) {
			all = append(all, soakCondition{"node:n1:" + l.nodeEnd, []span{since(l.node.to)}, true})
		}
	case spec.WhenBeforeTimeout:
		if l.limit > 0 {
			at := l.node.from.Add(l.limit - w.For)
			all = append(all, soakCondition{"before_timeout:n1", both(both(open, l.node), since(at)), true})
		}
	}
	return all
}

// condition judges whether a condition was told, and what followed.
func (a *account) condition(key string, r spec.Rule, c soakCondition) {
	may := both(c.true, span{a.first(), a.gone.Add(time.Microsecond)}) // at that moment either may come first
	by := a.weather.by(both(may, a.recorded(alive)...), soakPrompt)
	for i, event := range a.records { // whatever is recorded is judged with all that holds then
		if i == 0 && c.inside && alive(event.phase) {
			continue // but for the first look, which is into nothing
		}
		if (by.IsZero() || event.at.Before(by)) && slices.ContainsFunc(may, func(s span) bool { return s.has(event.at) }) {
			by = event.at
			break
		}
	}
	if at, told := a.once(key+"|0|send[0]", may, by); told {
		a.goesOn(key, r, at, both(may, since(at)))
	}
}

// goesOn judges the reminders and escalations of what was told once, while it holds.
func (a *account) goesOn(key string, r spec.Rule, at time.Time, holds []span) {
	until, over := a.gone.Add(time.Microsecond), forever
	for _, event := range a.records {
		if event.at.After(at) && !slices.ContainsFunc(holds, func(s span) bool { return s.has(event.at) }) {
			until, over = event.at, event.at // it was seen to be over, for good
			break
		}
	}
	acked := a.acknowledged(at)
	holds = both(holds, span{at, until})
	a.takenBack(key, r, holds, over, acked)
	holds = both(holds, span{at, acked.Add(time.Microsecond)}) // at that moment either may come first
	for i, e := range r.Escalate {
		may := both(holds, since(at.Add(e.After)))
		a.once(fmt.Sprintf("%s|0|escalate[%d].send[0]", key, i), may, a.weather.by(may, soakPrompt))
	}
	if r.Repeat != nil {
		a.reminders(key, *r.Repeat, at, holds)
	}
}

// reminders judges what came after the first message: one in each time of its length at most, at whose begin
// it is due; and one in each in which somebody could have sent it.
func (a *account) reminders(key string, r spec.Repeat, first time.Time, holds []span) {
	slot := func(t time.Time) int { return int(t.Sub(first) / r.Every) }
	sent := map[int]time.Time{}
	last, n := 0, 0
	for count := 1; ; count++ {
		at, ok := a.take(fmt.Sprintf("%s|%d|send[0]", key, count))
		if !ok {
			break
		}
		if slot(at) <= last || r.Max > 0 && count > r.Max {
			a.fault("%s: too many: %s, reminder %d at %s of %s", a.name(), key, count, stamp(at), stamp(first))
		}
		if !a.weather.up(at) || !slices.ContainsFunc(holds, func(s span) bool { return s.has(at) }) {
			a.fault("%s: not true when reminded of: %s, reminder %d at %s, holds %v", a.name(), key, count, stamp(at), show(holds))
		}
		last, n = slot(at), count
		sent[last] = at
	}
	until := first
	for _, h := range holds {
		until = h.and(span{first, a.over}).to
	}
	for i := 1; first.Add(time.Duration(i) * r.Every).Before(until); i++ {
		if r.Max > 0 && n == r.Max && i > last {
			break
		}
		due := span{first.Add(time.Duration(i) * r.Every), first.Add(time.Duration(i+1) * r.Every)}
		by := a.weather.by(both(holds, due), soakPrompt)
		switch at, ok := sent[i]; {
		case ok && !by.IsZero() && at.After(by):
			a.fault("%s: late: %s, reminder at %s, due by %s", a.name(), key, stamp(at), stamp(by))
		case !ok && !by.IsZero():
			a.fault("%s: lost: %s, reminder due by %s of %s, holds %v", a.name(), key, stamp(by), stamp(first), show(holds))
		case by.IsZero() && a.weather.seen(both(holds, due)):
			a.free++
		case ok:
			a.met++
		}
	}
}

// counts adds the watch's ends to its launch plan's history, if it is a subscription's.
func (a *account) counts() {
	if len(a.watch.Custom) > 0 {
		return
	}
	first := true
	for _, r := range a.records {
		if !flyte.Terminal(r.phase) {
			continue
		}
		s, _ := a.life.now(r.at)
		plan := a.plan()
		a.ends[plan] = append(a.ends[plan], counted{life: a.life, at: r.at, ended: s.at, phase: r.phase, again: !first})
		first = false
	}
}

func (a *account) plan() string {
	return strings.Join([]string{a.life.id.Scope.String(), a.life.plan}, "/")
}
