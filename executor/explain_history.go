package executor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// seriesOf returns how the executions of an execution's launch plan ended, as the store remembers them for a
// subscription. known is false if it remembers none.
func seriesOf(ctx context.Context, s Births, subscription string, x flyte.Execution) (series Series, known bool, err error) {
	born, err := Born(ctx, s, subscription)
	if err != nil || born.IsZero() {
		return series, false, err
	}
	note, k, err := readSeries(ctx, s, plan{Scope: x.ID.Scope, LaunchPlan: x.LaunchPlan, Set: birth{Born: born}.key(subscription)})
	return k.Series, note.Version > 0, err
}

// Past adds to the facts what the store remembers of the launch plan for a subscription, and returns the numbers that
// decide about the rule's condition.
func Past(ctx context.Context, s Births, subscription string, r spec.Rule, f Facts, now time.Time) (Facts, []string, error) {
	series, known, err := seriesOf(ctx, s, subscription, f.Execution)
	if err != nil {
		return f, nil, err
	}
	numbers := series.Why(r, now)
	nothing := !known || len(series.Last) == 0 && r.When.Is() != spec.WhenNoSuccessFor
	if nothing && len(numbers) > 0 {
		numbers = []string{"the subscription knows of no end of an execution of launch plan " + f.Execution.LaunchPlan}
	}
	f, whole := f.past(series)
	if n := f.History.Failures; n > 0 && !whole {
		numbers = append(numbers, fmt.Sprintf("when it ended, there were at least %d failures: no earlier end is kept", n))
	}
	return f, numbers, nil
}

// past are the facts with what a series says of the execution: of an end what was known then. whole is false if there
// may have been more failures, of ends that are not kept any more.
func (f Facts) past(s Series) (_ Facts, whole bool) {
	before, whole := s.until(f.Execution.EndedAt)
	after, _ := before.Ended(f.Execution, nil)
	f.History = after.History(before)
	f.Recovered = f.recovered(s)
	return f, whole
}

// until is the series as it was before a time, as far as its ends are kept; all of it for the zero time. whole is false
// if all that are kept of that time failed and a success has come since: there may have been more failures.
func (s Series) until(at time.Time) (_ Series, whole bool) {
	at = at.Truncate(time.Microsecond)
	n := slices.IndexFunc(s.Last, func(e End) bool { return !e.At.Before(at) })
	if at.IsZero() || n < 0 {
		return s, true
	}
	ends := s.Last[:n]
	if n > 0 && s.Failures >= len(s.Last) { // all of those that are kept go on, and perhaps earlier ones
		s.Last, s.Failures = ends, s.Failures-(len(s.Last)-n)
		return s, true
	}
	full := len(s.Last) >= longest(nil)
	s.Last, s.Failures, s.FailedSince = nil, 0, time.Time{}
	if !s.LastSuccess.Before(at) {
		s.LastSuccess = time.Time{}
	}
	for _, end := range ends {
		s.take(end, len(ends))
	}
	return s, !full || s.Failures < n
}

// Why are the numbers that decide about a rule's condition, in sentences without a period; none for a condition
// that looks at no history.
func (s Series) Why(r spec.Rule, now time.Time) []string {
	switch r.When.Is() {
	case spec.WhenFirstFailure, spec.WhenRecovered:
		return []string{s.whyFailures()}
	case spec.WhenNoSuccessFor:
		return []string{s.whySilent(r, now)}
	case spec.WhenFailureRate:
		return []string{s.whyRate(r)}
	}
	return nil
}

func (s Series) whyFailures() string {
	text := "no success is known"
	if !s.LastSuccess.IsZero() {
		text = "the last success was " + timeText(s.LastSuccess)
	}
	switch {
	case s.Failures == 1:
		return text + ", 1 failure since, " + timeText(s.FailedSince)
	case s.Failures > 1:
		return fmt.Sprintf("%s, %d failures since, the first %s", text, s.Failures, timeText(s.FailedSince))
	}
	return text + ", no failure since"
}

func (s Series) whySilent(r spec.Rule, now time.Time) string {
	text, since := "the last success was "+timeText(s.LastSuccess), s.LastSuccess
	if since.IsZero() {
		text, since = "no success is known since "+timeText(s.Born), s.Born
	}
	text += ", " + briefly(now.Sub(since)) + " ago: "
	if slices.Contains(s.Told, r.Name) {
		return text + "told, and not again before the next success"
	}
	return text + firesAt(since.Add(r.When.For), now, "succeeds")
}

func (s Series) whyRate(r spec.Rule) string {
	rate := r.When.Rate
	text := fmt.Sprintf("%d of the last %d failed; at_least is %d", s.failed(rate.Of), rate.Of, rate.AtLeast)
	if n := len(s.Last); n < rate.Of {
		text = fmt.Sprintf("%d of the %d that are known failed; at_least is %d of %d", s.failed(rate.Of), n, rate.AtLeast, rate.Of)
	}
	if slices.Contains(s.Told, r.Name) {
		text += "; told, and not again before it was less"
	}
	return text
}
