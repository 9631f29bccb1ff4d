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
	Born        time.Time `json:"born"`                // what no_success_for counts from before the first success
	Last        []bool    `json:"last,omitempty"`      // of the latest ends, the newest last: whether it failed
	LastEnd     time.Time `json:"last_end,omitzero"`   // of the newest
	LastSuccess time.Time `json:"success,omitzero"`    // the end of the latest success
	FailedSince time.Time `json:"since,omitzero"`      // the first end of the failures that go on; zero after a success
	Failures    int       `json:"failures,omitempty"`  // that go on
	Told        []string  `json:"told,omitempty"`      // rules whose condition holds on, so that they are not told again
	Execution   string    `json:"execution,omitempty"` // whose end is the newest
}

// Ended says what the rules of a series make of an execution's end: the series with it, and the occurrences.
// An end that is older than one that was taken already tells nothing: what it would have told is over. But a
// success is one, whenever it is heard of.
func (s Series) Ended(x flyte.Execution, rules []spec.Rule) (Series, []Occurrence) {
	failed := failed(x.Phase)
	switch {
	case !failed && x.Phase != "SUCCEEDED" || x.ID.Name == s.Execution:
		return s, nil
	case x.EndedAt.Before(s.LastEnd) && failed:
		return s, nil
	case x.EndedAt.Before(s.LastEnd):
		return s.succeeded(x.EndedAt, rules), nil
	}
	before := s
	s.LastEnd, s.Execution = x.EndedAt, x.ID.Name
	s.Last = append(slices.Clone(s.Last), failed)
	s.Last = s.Last[max(0, len(s.Last)-longest(rules)):]
	if failed {
		s.Failures++
		if s.FailedSince.IsZero() {
			s.FailedSince = x.EndedAt
		}
	} else {
		s.LastSuccess, s.FailedSince, s.Failures = x.EndedAt, time.Time{}, 0
	}
	var all []Occurrence
	s.Told = slices.Clone(s.Told)
	for _, r := range rules {
		if reason := s.tells(r, before); reason != "" {
			all = append(all, Occurrence{Rule: r.Name, Reason: reason})
		}
	}
	return s, all
}

// succeeded notes a success that is not the newest end.
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

// longest is how many ends the rules look at.
func longest(rules []spec.Rule) int {
	n := 1
	for _, r := range rules {
		if r.When.Rate != nil {
			n = max(n, r.When.Rate.Of)
		}
	}
	return n
}

// tells returns the reason of a rule that the newest end makes fire.
func (s *Series) tells(r spec.Rule, before Series) string {
	switch r.When.Is() {
	case spec.WhenFirstFailure:
		if s.Failures == 1 {
			return historyReason(r.When)
		}
	case spec.WhenRecovered:
		if s.Failures == 0 && before.Failures > 0 {
			return historyReason(r.When)
		}
	case spec.WhenNoSuccessFor:
		if s.Failures == 0 {
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
	for _, failed := range s.Last[max(0, len(s.Last)-of):] {
		if failed {
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
