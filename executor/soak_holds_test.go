package executor_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// hold is how a delivery must be held back.
type hold struct {
	bundle string
	until  time.Time
}

// quietEnd is when the quiet hours are over that a moment is in, read off by hand; zero: it is in none.
func quietEnd(at time.Time, all ...*spec.Quiet) (end time.Time) {
	minutes := map[string][][2]int{ // of the day, UTC; Paris is an hour ahead in the winter that a soak begins in
		"22:00-00:30": {{-120, 30}, {75, 165}, {1320, 1470}},
		"05:00-07:00": {{240, 360}},
		"02:30-03:30": {{150, 210}, {420, 490}},
	}
	for again := true; again; {
		again = false
		for _, q := range all {
			if q == nil || q.Days != nil && !slices.Contains([]time.Weekday{time.Tuesday, time.Thursday, time.Saturday}, at.Weekday()) {
				continue
			}
			day := at.Truncate(24 * time.Hour)
			for _, part := range minutes[q.Times[0].String()] {
				from, to := day.Add(time.Duration(part[0])*time.Minute), day.Add(time.Duration(part[1])*time.Minute)
				if (span{from, to}).has(at) {
					at, end, again = to, to, true
				}
			}
		}
	}
	return end
}

// ruleOf is the rule that a delivery is of, and what names its set.
func (o *oracle) ruleOf(d store.Delivery) (r spec.Rule, set string, catchUp bool) {
	set, rules := d.WatchID, soakTaskRules()
	if name := setOf(d.Key); name != "" {
		sub := soakSubscriptions()[subscriptionNamed(name)]
		set, rules, catchUp = name, sub.Rules, sub.CatchUp == spec.CatchUpDigest
	}
	return rules[slices.IndexFunc(rules, func(r spec.Rule) bool { return r.Name == d.Rule })], set, catchUp
}

// holdOf says how a delivery must be held back, if it must; windows are those that are open, by bundle.
func (o *oracle) holdOf(d store.Delivery, windows map[string]time.Time) (h hold) {
	r, set, catchUp := o.ruleOf(d)
	quiet := []*spec.Quiet{r.Quiet}
	if d.Connection == "team" {
		quiet = append(quiet, soakHours().team)
	}
	lane := d.Connection + "|" + d.Execution.Scope.String()
	var wait, every time.Duration
	switch end := quietEnd(d.CreatedAt, quiet...); {
	case !end.IsZero():
		return hold{fmt.Sprint("quiet ", lane, end), end}
	case r.Group != nil:
		h.bundle, wait, every = strings.Join([]string{"group", set, d.Rule, lane, o.grouped(d, r.Group.By)}, "|"), r.Group.Wait, r.Group.Every
	case catchUp && o.late(d):
		h.bundle, wait = "late|"+set+"|"+lane, 30*time.Second
	default:
		return h
	}
	if h.until = windows[h.bundle]; !d.CreatedAt.Before(h.until) {
		next := h.until.Add(every)
		if h.until = d.CreatedAt.Add(wait); h.until.Before(next) {
			h.until = next
		}
		windows[h.bundle] = h.until
	}
	if end := quietEnd(h.until, quiet...); !end.IsZero() { // nothing is sent then
		return hold{fmt.Sprint("quiet ", lane, end), end}
	}
	return h
}

// grouped is what a group has in common.
func (o *oracle) grouped(d store.Delivery, by []string) (text string) {
	l := o.admin.lives[d.Execution]
	s, _ := l.now(d.CreatedAt)
	for _, key := range by {
		text += map[string]string{
			"launch_plan": l.plan, "labels.team": l.team, "phase": s.phase, "project": l.id.Project, "reason": d.Reason,
		}[key] + "|"
	}
	return text
}

// late says whether a delivery tells for the first time of an end that was long ago. Half a minute of grace is left to
// whoever says so.
func (o *oracle) late(d store.Delivery) bool {
	l := o.admin.lives[d.Execution]
	if l == nil || !isFirst(d) {
		return false
	}
	s, _ := l.now(d.CreatedAt)
	ago := d.CreatedAt.Sub(s.at)
	if ago > 15*time.Minute && ago <= 15*time.Minute+30*time.Second {
		return !d.HeldUntil.IsZero()
	}
	return flyte.Terminal(s.phase) && ago > 15*time.Minute
}

// isFirst says whether a delivery is neither a reminder nor an escalation.
func isFirst(d store.Delivery) bool { return strings.HasSuffix(d.Key, "|0|send[0]") }

// holds judges whether all was held back that had to be, and nothing else, and what became of it.
func (o *oracle) holds() {
	windows, bundles := map[string]time.Time{}, map[string][]store.Delivery{}
	for _, d := range o.all {
		h := o.holdOf(d, windows)
		if !d.HeldUntil.Equal(h.until) {
			o.fault("%s, made at %s: held until %s, must be until %s", d.Key, stamp(d.CreatedAt), stamp(d.HeldUntil), stamp(h.until))
			continue
		}
		if outOf(d).taken && isFirst(d) {
			o.fault("%s, made at %s: taken back at %s", d.Key, stamp(d.CreatedAt), stamp(d.SettledAt))
		}
		if h.bundle != "" {
			o.tally.held++
			bundles[h.bundle] = append(bundles[h.bundle], d)
		}
	}
	for _, all := range bundles {
		o.bundle(all)
	}
}
