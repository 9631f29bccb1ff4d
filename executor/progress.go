package executor

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Progress is what rules have told of an execution, by rule and reason. The store keeps it as JSON.
type Progress map[string]Told

// Told is what became of one occurrence of a rule.
type Told struct {
	Since        time.Time `json:"since,omitzero"` // when what waits to be told was first seen to hold
	At           time.Time `json:"at,omitzero"`    // of the first message; zero while it waits
	Count        int       `json:"n,omitempty"`    // reminders
	Next         time.Time `json:"next,omitzero"`  // of the next reminder
	Escalated    int       `json:"esc,omitempty"`  // entries of the rule's escalate
	Acknowledged time.Time `json:"ack,omitzero"`
	By           string    `json:"by,omitempty"`        // who acknowledged it, if he said so
	Inhibited    bool      `json:"inhibited,omitempty"` // it was not told: what contains it has failed as well
	Over         bool      `json:"over,omitempty"`      // no reminder comes any more, whatever happens
}

// Advanced is what follows from a look at the facts.
type Advanced struct {
	Occurrences []Occurrence
	Superseded  []Occurrence // of earlier looks: what of their messages was not sent yet shall not be
	Progress    Progress
	Due         time.Time // when to look again even if nothing changes; zero: never
	Errors      []error   // of rules that could not be judged
}

// Advance says what the rules make of the facts, after all that they told before. It is pure, as Evaluate is,
// and an occurrence that was told never comes again: neither when a phase comes back, nor when a clock is
// set back. What was missed, a restart or an outage long, is reminded of once. Of a rule that needs what the facts lack
// nothing is said, and what it told is kept: whoever knows it later goes on from there.
func Advance(f Facts, rules []spec.Rule, before Progress, now time.Time) Advanced {
	a := Advanced{Progress: maps.Clone(before)}
	if a.Progress == nil {
		a.Progress = Progress{}
	}
	lacking := f.lacks.looks()
	for _, r := range rules {
		if !lacking || !f.lacks.of(r.When) {
			a.rule(f, r, now)
		}
	}
	return a
}

func (a *Advanced) rule(f Facts, r spec.Rule, now time.Time) {
	occurrences, err := Evaluate(f, r, now)
	if err != nil {
		a.Errors = append(a.Errors, err)
	}
	happening := map[string]bool{}
	for _, o := range occurrences {
		key := what(o.Rule, o.Reason)
		happening[key] = true
		if t, there := a.Progress[key]; !there || t.waits() {
			a.Progress[key] = a.first(f, r, o, t, now)
		}
	}
	maps.DeleteFunc(a.Progress, func(key string, t Told) bool { // it did not last
		return t.waits() && !happening[key] && err == nil && strings.HasPrefix(key, r.Name+"|")
	})
	holding := map[string]bool{}
	for _, c := range chances(f, r, now) {
		key := what(r.Name, c.reason)
		if c.holds(now) {
			holding[key] = !f.Recovered
			continue
		}
		if _, told := a.Progress[key]; !told {
			a.again(c.at)
		}
	}
	if r.Repeat == nil && r.Escalate == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(a.Progress)) {
		if rule, reason, _ := strings.Cut(key, "|"); rule == r.Name && !a.Progress[key].Over && !a.Progress[key].waits() {
			a.Progress[key] = a.remind(r, reason, a.Progress[key], holding[key], now)
		}
	}
}

// what names an occurrence within its watch. No name of a rule has the separator.
func what(rule, reason string) string { return rule + "|" + reason }

// waits says whether it is not told yet: it must last first, or what contains it may fail as well.
func (t Told) waits() bool { return t.At.IsZero() && !t.Over }

// first tells an occurrence, or puts it off.
func (a *Advanced) first(f Facts, r spec.Rule, o Occurrence, t Told, now time.Time) Told {
	if t.Since.IsZero() || now.Before(t.Since) { // a clock was set back
		t.Since = now
	}
	if lasts := t.Since.Add(r.For); now.Before(lasts) {
		a.again(lasts)
		return t
	}
	if r.Inhibit {
		above, until := f.above(r), t.Since.Add(r.For+inhibitWait)
		unknown := above == "" && f.lacks.above // like what runs, it is given its time and no more
		switch {
		case spec.Failing(above):
			return Told{At: now, Over: true, Inhibited: true}
		case now.Before(until) && (unknown || above != "" && !flyte.Terminal(above)):
			a.again(earliest(until, now.Add(inhibitLook)))
			return t
		}
	}
	a.Occurrences = append(a.Occurrences, o)
	t = Told{At: now}
	if r.Repeat != nil {
		t.Next = now.Add(r.Repeat.Every)
	}
	return t
}

// above is the phase of what contains what the rule is about.
func (f Facts) above(r spec.Rule) string {
	if f.Node != nil || r.When.Is() == spec.WhenNode {
		return f.Execution.Phase
	}
	return f.Above
}

// What contains a failure is given so long to fail as well, and looked at so often meanwhile.
const (
	inhibitWait = 30 * time.Second
	inhibitLook = 5 * time.Second
)

// remind goes on with what was told once.
func (a *Advanced) remind(r spec.Rule, reason string, t Told, holds bool, now time.Time) Told {
	o := Occurrence{Rule: r.Name, Reason: reason}
	if !holds || !t.Acknowledged.IsZero() {
		a.takeBack(o, t.Count-unsent(r)+1, t.Count)
		for i := range min(t.Escalated, len(r.Escalate)) { // an edit may have taken some away
			a.Superseded = append(a.Superseded, Occurrence{Rule: o.Rule, Reason: o.Reason, Escalation: i + 1})
		}
		t.Over = true
		return t
	}
	return a.escalate(r, o, a.repeat(r, o, t, now), now) // not Over with the last one, which may be held back for long
}

// repeat makes the reminder that is due. Those that were missed before it are counted, not made.
func (a *Advanced) repeat(r spec.Rule, o Occurrence, t Told, now time.Time) Told {
	if r.Repeat == nil || t.Next.IsZero() {
		return t
	}
	every := max(r.Repeat.Every, leastRepeat)
	t.Next = earliest(t.Next, now.Add(every)) // a clock was set back: it is not further than that
	if !now.Before(t.Next) {
		missed := now.Sub(t.Next) / every
		t.Count++
		a.takeBack(o, t.Count-unsent(r), t.Count-unsent(r))
		t.Next = t.Next.Add((missed + 1) * every)
		o.Count, o.Skipped = t.Count, int(missed)
		a.Occurrences = append(a.Occurrences, o)
	}
	if r.Repeat.Max > 0 && t.Count >= r.Repeat.Max {
		t.Next = time.Time{}
	}
	a.again(t.Next)
	return t
}

// escalate tells the next ones whose time has come.
func (a *Advanced) escalate(r spec.Rule, o Occurrence, t Told, now time.Time) Told {
	for t.Escalated < len(r.Escalate) {
		due := t.At.Add(r.Escalate[t.Escalated].After)
		if now.Before(due) {
			a.again(due)
			break
		}
		t.Escalated++
		o.Escalation = t.Escalated
		a.Occurrences = append(a.Occurrences, o)
	}
	return t
}

// takeBack supersedes reminders, from one to another, of which the first message has number 0.
func (a *Advanced) takeBack(o Occurrence, from, to int) {
	for count := max(from, 1); count <= to; count++ {
		a.Superseded = append(a.Superseded, Occurrence{Rule: o.Rule, Reason: o.Reason, Count: count})
	}
}

// unsent is how many reminders of a rule may wait to be sent. One that waits for longer than longestUnsent, since
// its service is away, is taken back when the next is made.
func unsent(r spec.Rule) int {
	if r.Repeat == nil {
		return 0
	}
	every := max(r.Repeat.Every, leastRepeat)
	return min(max(1, int((longestUnsent+every-1)/every)), mostUnsent)
}

const (
	leastRepeat   = 100 * time.Millisecond // between reminders: a task must not keep the server busy with nothing else
	longestUnsent = time.Minute
	mostUnsent    = 60
)

// again asks for another look at a time.
func (a *Advanced) again(at time.Time) { a.Due = earliest(a.Due, at) }

// earliest of two times, of which a zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// latest of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// counted is where progress holds that the execution's end is part of its launch plan's history.
const counted = "|counted"

// Acknowledge ends the reminders of all that was told so far, and returns how much that was.
func (p Progress) Acknowledge(now time.Time) (n int) { return p.acknowledge("", now) }

func (p Progress) acknowledge(by string, now time.Time) (n int) {
	for key, t := range p {
		if !t.Over && !t.waits() && t.Acknowledged.IsZero() {
			t.Acknowledged, t.By = now, by
			p[key] = t
			n++
		}
	}
	return n
}
