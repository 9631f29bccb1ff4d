package executor

import (
	"maps"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Verdict is what becomes of a rule with the facts as they are.
type Verdict string

// The verdicts.
const (
	VerdictFires    Verdict = "fires"    // it holds, and was not told: a server that looks now tells it
	VerdictTells    Verdict = "told"     // all of it that holds, or held, was told
	VerdictWaits    Verdict = "waits"    // it may hold later: at a known time, or after a change
	VerdictFiltered Verdict = "filtered" // its condition holds, its `if` does not
	VerdictFails    Verdict = "fails"    // its condition holds, its `if` cannot be evaluated
	VerdictOver     Verdict = "over"     // it did not hold, and cannot any more
	VerdictHistory  Verdict = "history"  // the ends of other executions decide
)

// Explanation says why a rule fires or does not.
type Explanation struct {
	Rule    string
	When    string // the condition as it is written: "running_for: 2h0m0s"
	Verdict Verdict
	Why     []string  // the facts that decided, in sentences without a period
	At      time.Time // when it fires unless something changes; zero: not at a known time
	If      *IfResult // nil: the rule has none
	Told    []ToldMessage
}

// IfResult is a rule's `if` with what decides it.
type IfResult struct {
	Text   string
	Holds  bool
	Error  string // why it cannot be evaluated
	Values []spec.Value
}

// ToldMessage is what a rule has told, and what follows of it.
type ToldMessage struct {
	Reason         string
	At             time.Time // of the first; zero: it was decided that it is not told
	Reminders      int       // so far
	MostReminders  int       // 0: no limit, where Next is set
	Next           time.Time // of the next reminder; zero: none comes
	Escalations    int       // so far
	NextEscalation time.Time // zero: none comes
	Acknowledged   time.Time // zero: it is not
	By             string    // who acknowledged it, if he said so
	Holds          bool      // what was told still holds
}

// Explain says why the rule fires or does not with these facts at the time now, after what was told of it (of
// other rules there may be more). It is pure, and agrees with Advance: what it says fires, Advance tells.
func Explain(f Facts, r spec.Rule, told Progress, now time.Time) Explanation {
	e := Explanation{Rule: r.Name, When: whenText(r.When), If: f.filter(r, now)}
	all := chances(f, r, now)
	holding := map[string]bool{}
	untold := false
	for _, c := range all {
		t := told[what(r.Name, c.reason)]
		known := t.Over || !t.At.IsZero()
		switch {
		case c.holds(now):
			holding[c.reason] = !f.Recovered
			if lasts := e.lasts(r, t, now); c.old || known || now.Before(lasts) {
				e.At = earliest(e.At, lasts)
				continue
			}
			untold = true
		case !known:
			e.At = earliest(e.At, c.at)
		}
	}
	e.Why = f.why(r.When, now)
	e.Told = messages(r, told, holding, now)
	e.Verdict = e.verdict(r.When, f, len(holding) > 0, untold)
	return e
}

// lasts is when an occurrence will have lasted for as long as the rule wants; zero if it is told already.
func (Explanation) lasts(r spec.Rule, t Told, now time.Time) time.Time {
	if !t.waits() || r.For <= 0 {
		return time.Time{}
	}
	since := t.Since
	if since.IsZero() || now.Before(since) {
		since = now
	}
	return since.Add(r.For)
}

func (e Explanation) verdict(w spec.When, f Facts, holds, untold bool) Verdict {
	switch {
	case judgedByHistory(w):
		return VerdictHistory
	case untold && e.If != nil && e.If.Error != "":
		return VerdictFails
	case untold && e.If != nil && !e.If.Holds:
		return VerdictFiltered
	case untold:
		return VerdictFires
	case !e.At.IsZero():
		return VerdictWaits
	case holds, len(e.Told) > 0 && f.cannotCome(w):
		return VerdictTells
	case f.cannotCome(w):
		return VerdictOver
	}
	return VerdictWaits
}

// judgedByHistory says whether the executions of a launch plan together decide.
func judgedByHistory(w spec.When) bool {
	switch w.Is() {
	case spec.WhenFirstFailure, spec.WhenRecovered, spec.WhenNoSuccessFor, spec.WhenFailureRate:
		return true
	}
	return false
}

// cannotCome says whether nothing that the condition waits for can come any more.
func (f Facts) cannotCome(w spec.When) bool {
	if w.Is() == spec.WhenQueuedFor {
		return !queued(f.phase())
	}
	return f.ended()
}

// filter evaluates the rule's `if`, whether or not its condition holds.
func (f Facts) filter(r spec.Rule, now time.Time) *IfResult {
	if r.If == nil {
		return nil
	}
	facts := f.expr(r.Name, now)
	filter := &IfResult{Text: r.If.String()}
	holds, err := r.If.Eval(facts)
	if filter.Holds = holds; err != nil {
		filter.Error = err.Error()
	}
	if filter.Values, err = r.If.Values(facts); err != nil && filter.Error == "" {
		filter.Error = err.Error()
	}
	return filter
}

// messages are what was told of the rule, in order of time.
func messages(r spec.Rule, told Progress, holding map[string]bool, now time.Time) (all []ToldMessage) {
	for _, key := range slices.Sorted(maps.Keys(told)) {
		reason, ofRule := reasonIn(key, r.Name)
		if !ofRule {
			continue
		}
		t := told[key]
		if t.At.IsZero() && !t.Over {
			continue // it is not told yet
		}
		m := ToldMessage{
			Reason: reason, At: t.At, Reminders: t.Count, Escalations: t.Escalated,
			Acknowledged: t.Acknowledged, By: t.By, Holds: holding[reason],
		}
		if !t.Over && t.Acknowledged.IsZero() && m.Holds {
			m.follow(r, t, now)
		}
		all = append(all, m)
	}
	slices.SortStableFunc(all, func(a, b ToldMessage) int { return a.At.Compare(b.At) })
	return all
}

// follow adds what is still to come.
func (m *ToldMessage) follow(r spec.Rule, t Told, now time.Time) {
	if r.Repeat != nil && !t.Next.IsZero() {
		m.Next, m.MostReminders = earliest(t.Next, now.Add(r.Repeat.Every)), r.Repeat.Max
	}
	if t.Escalated < len(r.Escalate) {
		m.NextEscalation = t.At.Add(r.Escalate[t.Escalated].After)
	}
}
