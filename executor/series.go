package executor

import (
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Series is how the executions of one launch plan ended that a subscription selects, in the order of their
// ends. An abort is neither a success nor a failure, and does not count. The store keeps it as JSON.
type Series struct {
	Born        time.Time `json:"born"`               // what no_success_for counts from before the first success
	Last        []End     `json:"last,omitempty"`     // the latest ends, the newest last
	LastSuccess time.Time `json:"success,omitzero"`   // the end of the latest success
	FailedSince time.Time `json:"since,omitzero"`     // the first end of the failures that go on; zero after a success
	Failures    int       `json:"failures,omitempty"` // that go on
	Told        []string  `json:"told,omitempty"`     // rules whose condition holds on, so that they are not told again
}

// End is how one execution ended.
type End struct {
	At     time.Time `json:"at"`
	Failed bool      `json:"failed,omitempty"`
}

// Ended says what the rules of a series make of an execution's end: the series with it, and the occurrences. Each
// execution may be told of once. An end that is older than one that was taken before counts, but what it alone would
// have told is over: no first failure, and no recovery.
func (s Series) Ended(x flyte.Execution, rules []spec.Rule) (Series, []Occurrence) {
	end := End{At: x.EndedAt.Truncate(time.Microsecond), Failed: failed(x.Phase)}
	if !end.Failed && x.Phase != "SUCCEEDED" {
		return s, nil
	}
	before := s
	s.take(end, longest(rules))
	newest := len(before.Last) == 0 || !end.At.Before(before.Last[len(before.Last)-1].At)
	var all []Occurrence
	s.Told = slices.Clone(s.Told)
	for _, r := range rules {
		if reason := s.tells(r, before, newest); reason != "" {
			all = append(all, Occurrence{Rule: r.Name, Reason: reason})
		}
	}
	return s, all
}

// take puts an end where it belongs, and counts the failures that go on.
func (s *Series) take(end End, keep int) {
	at, _ := slices.BinarySearchFunc(s.Last, end, func(e, f End) int {
		if e.At.After(f.At) {
			return 1
		}
		return -1
	})
	s.Last = slices.Insert(slices.Clone(s.Last), at, end)
	if !end.Failed {
		s.LastSuccess = latest(s.LastSuccess, end.At)
	}
	i := len(s.Last)
	for i > 0 && s.Last[i-1].Failed {
		i--
	}
	switch tail := len(s.Last) - i; {
	case tail == 0:
		s.Failures, s.FailedSince = 0, time.Time{}
	case i == 0 && s.Failures > 0 && end.Failed: // they go on for longer than is kept
		s.Failures++
		s.FailedSince = earliest(s.FailedSince, end.At)
	default:
		s.Failures, s.FailedSince = tail, s.Last[i].At
	}
	s.Last = s.Last[max(0, len(s.Last)-keep):]
}

// longest is how many ends are kept: those that a rule looks at, and enough to put right what came out of order.
func longest(rules []spec.Rule) int {
	n := 20
	for _, r := range rules {
		if r.When.Rate != nil {
			n = max(n, r.When.Rate.Of)
		}
	}
	return n
}

// succeeded notes the success of an execution that counts already: it had ended otherwise, and went on.
func (s Series) succeeded(at time.Time, rules []spec.Rule) Series {
	if !at.After(s.LastSuccess) {
		return s
	}
	s.LastSuccess, s.Told = at, slices.Clone(s.Told)
	for _, r := range rules {
		if r.When.Is() == spec.WhenNoSuccessFor {
			s.hold(r.Name, false)
		}
	}
	return s
}

// historyReason is the reason of a condition that looks at a launch plan's history.
func historyReason(w spec.When) string {
	switch kind := w.Is(); kind {
	case spec.WhenFailureRate:
		return fmt.Sprintf("%s:%d/%d", kind, w.Rate.AtLeast, w.Rate.Of)
	case spec.WhenNoSuccessFor:
		return string(kind) + ":" + w.For.String()
	default:
		return string(kind)
	}
}

// tells returns the reason of a rule that the newest end makes fire.
func (s *Series) tells(r spec.Rule, before Series, newest bool) string {
	switch r.When.Is() {
	case spec.WhenFirstFailure:
		if newest && s.Failures > 0 && before.Failures == 0 {
			return historyReason(r.When)
		}
	case spec.WhenRecovered:
		if newest && s.Failures == 0 && before.Failures > 0 {
			return historyReason(r.When)
		}
	case spec.WhenNoSuccessFor:
		if s.LastSuccess.After(before.LastSuccess) {
			s.hold(r.Name, false)
		}
	case spec.WhenFailureRate:
		rate := r.When.Rate
		if s.hold(r.Name, s.failed(rate.Of) >= rate.AtLeast) {
			return historyReason(r.When)
		}
	}
	return ""
}

// failed counts the failures of the last so many ends.
func (s *Series) failed(of int) (n int) {
	for _, end := range s.Last[max(0, len(s.Last)-of):] {
		if end.Failed {
			n++
		}
	}
	return n
}

// hold records whether a rule's condition holds, and returns true when it begins to.
func (s *Series) hold(rule string, holds bool) (begins bool) {
	i := slices.Index(s.Told, rule)
	switch {
	case holds && i < 0:
		s.Told = append(s.Told, rule)
		return true
	case !holds && i >= 0:
		s.Told = slices.Delete(s.Told, i, i+1)
	}
	return false
}

// Silent says which rules tell that no execution has succeeded for too long, and when to look again; zero when
// there is nothing to look for until the next success.
func (s Series) Silent(rules []spec.Rule, now time.Time) (_ Series, all []Occurrence, due time.Time) {
	s.Told = slices.Clone(s.Told)
	since := s.LastSuccess
	if since.IsZero() {
		since = s.Born
	}
	for _, r := range rules {
		if r.When.Is() != spec.WhenNoSuccessFor || slices.Contains(s.Told, r.Name) {
			continue
		}
		if at := since.Add(r.When.For); now.Before(at) {
			due = earliest(due, at)
			continue
		}
		s.Told = append(s.Told, r.Name)
		all = append(all, Occurrence{Rule: r.Name, Reason: historyReason(r.When)})
	}
	return s, all, due
}
