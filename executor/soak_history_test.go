package executor_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// counted is an end as it was recorded.
type counted struct {
	life  *life
	at    time.Time // when it was recorded
	ended time.Time
	phase string
	again bool // it had ended before, and gone on
}

func (c counted) failed() bool { return c.phase == "FAILED" || c.phase == "TIMED_OUT" }

// selected are the ends that a subscription hears of, as they were recorded.
func (o *oracle) selected(n int, plan string) (all []counted) {
	for _, c := range o.ends[plan] {
		if o.selects(n, c.life) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b counted) int { return cmp.Or(a.at.Compare(b.at), a.ended.Compare(b.ended)) })
	return all
}

func subscriptionNamed(name string) int {
	for i, s := range soakSubscriptions() {
		if s.Name == name {
			return i
		}
	}
	return -1
}

// recoveries says when a success after the execution's end was first recorded.
func (o *oracle) recoveries(name string, l *life) func(time.Time) time.Time {
	if name != "failures" {
		return nil
	}
	return func(at time.Time) time.Time {
		s, _ := l.now(at)
		for _, c := range o.selected(subscriptionNamed(name), l.id.Scope.String()+"/"+l.plan) {
			if c.phase == "SUCCEEDED" && c.ended.After(s.at) {
				return c.at
			}
		}
		return forever
	}
}

// soakEnd is an end that counts.
type soakEnd struct {
	at     int64
	failed bool
}

// soakSeries is what a history has come to.
type soakSeries struct {
	ends     []soakEnd // in their order
	failures int       // the last ones
	high     bool      // the rate is
	rated    bool      // a rule asks for the rate
}

// add adds an end where it belongs, and says what it tells. One that is older than the newest is no first failure and
// no recovery any more.
func (s soakSeries) add(c counted) (soakSeries, string) {
	before, end := s, soakEnd{c.ended.UnixMicro(), c.failed()}
	newest := len(s.ends) == 0 || s.ends[len(s.ends)-1].at <= end.at
	s.ends = append(slices.Clone(s.ends), end)
	slices.SortStableFunc(s.ends, func(a, b soakEnd) int { return cmp.Compare(a.at, b.at) })
	s.failures = 0
	for _, e := range slices.Backward(s.ends) {
		if !e.failed {
			break
		}
		s.failures++
	}
	var tells []string
	switch {
	case newest && before.failures == 0 && s.failures > 0:
		tells = append(tells, "first")
	case newest && before.failures > 0 && s.failures == 0:
		tells = append(tells, "recovered")
	}
	n := 0
	for _, e := range s.ends[max(0, len(s.ends)-6):] {
		if e.failed {
			n++
		}
	}
	if s.high = n >= 4; s.rated && s.high && !before.high {
		tells = append(tells, "rate")
	}
	return s, strings.Join(tells, " ")
}

// series judges what was told of launch plans.
func (o *oracle) series() {
	for plan := range o.ends {
		for _, name := range []string{"history", "late"} {
			o.ended(name, plan)
		}
	}
	plans := map[string]bool{}
	for _, l := range o.lives {
		plans[l.id.Scope.String()+"/"+l.plan] = true
	}
	for plan := range plans {
		o.silent(plan)
	}
}

// ended follows the ends of a launch plan in the order in which they were recorded. Those that were at the same
// moment may have been taken in any order: one must explain all that was told.
func (o *oracle) ended(name, plan string) {
	all := slices.DeleteFunc(o.selected(subscriptionNamed(name), plan), func(c counted) bool {
		return c.again || !c.failed() && c.phase != "SUCCEEDED"
	})
	told := map[*life]string{}
	for _, c := range all {
		told[c.life] = o.toldOf(name, c)
	}
	states := []soakSeries{{rated: name == "history"}}
	for len(all) > 0 {
		same := 1
		for same < len(all) && all[same].at.Equal(all[0].at) {
			same++
		}
		next := explain(states, all[:same], told)
		if len(next) == 0 {
			o.fault("%s of %s: nothing explains what was told at %s: %s; before: %+v", name, plan, stamp(all[0].at), tellings(all[:same], told), states)
			return
		}
		o.met += same
		states, all = next, all[same:]
	}
}

func tellings(all []counted, told map[*life]string) string {
	var texts []string
	for _, c := range all {
		texts = append(texts, fmt.Sprintf("%s %s at %s: %q", c.life.id.Name, c.phase, stamp(c.ended), told[c.life]))
	}
	return strings.Join(texts, ", ")
}

// toldOf is what was told of an end.
func (o *oracle) toldOf(name string, c counted) string {
	watch := store.NewID("w", "subscribed||"+c.life.id.String())
	var all []string
	for _, rule := range []string{"first|first_failure", "recovered|recovered", "rate|failure_rate:4/6"} {
		key := watch + "|" + name + "|" + rule + "|0|send[0]"
		if at, ok := o.told[key]; ok {
			delete(o.told, key)
			rule, _, _ = strings.Cut(rule, "|")
			all = append(all, rule)
			if !at.Equal(c.at) {
				o.fault("%s of %s: told at %s, recorded at %s", rule, c.life.id, stamp(at), stamp(c.at))
			}
		}
	}
	return strings.Join(all, " ")
}

// explain returns what a history can have come to: every order that says what was told counts.
func explain(before []soakSeries, same []counted, told map[*life]string) (all []soakSeries) {
	taken := make([]map[string]soakSeries, 1<<len(same)) // by the ends that were taken, and what they came to
	note := func(which int, s soakSeries) {
		if taken[which] == nil {
			taken[which] = map[string]soakSeries{}
		}
		taken[which][fmt.Sprint(s)] = s
	}
	for _, s := range before {
		note(0, s)
	}
	for which, states := range taken {
		for _, s := range states {
			for i, c := range same {
				if next, tells := s.add(c); which&(1<<i) == 0 && tells == told[c.life] {
					note(which|1<<i, next)
				}
			}
		}
	}
	return slices.Collect(maps.Values(taken[len(taken)-1]))
}

// silent judges what was told of a launch plan that succeeds no more.
func (o *oracle) silent(plan string) {
	const lasts = 3 * time.Hour
	n := subscriptionNamed("history")
	var all []counted
	for _, c := range o.selected(n, plan) {
		if c.phase == "SUCCEEDED" {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b counted) int { return a.ended.Compare(b.ended) })
	a := &account{oracle: o, life: &life{plan: plan}, gone: forever}
	a.watch.ID = "series"
	begin, known := o.begins(n, plan)
	if begin.IsZero() {
		return
	}
	for i := -1; i < len(all); i++ {
		from, from2 := begin, known
		if i >= 0 {
			from, from2 = all[i].ended, all[i].at
		}
		until := forever
		for _, later := range all[i+1:] {
			if v := later.life.visible(func(_ int, s turn) bool { return s.at.Equal(later.ended) }); later.ended.After(from) && v[0].from.Before(until) {
				until = v[0].from
			}
		}
		may := both([]span{{from2, until}}, since(from.Add(lasts)))
		key := silence(plan, from)
		if i < 0 {
			key = silence(plan, time.Time{})
		}
		a.once(key, may, o.weather.by(may, soakPrompt))
	}
}

// silence names what is told of a launch plan that has not succeeded since.
func silence(plan string, since time.Time) string {
	return fmt.Sprintf("silence of %s since %d", plan, since.UnixMicro())
}

// begins is when a launch plan's first execution was created that a subscription heard of, and when it did.
func (o *oracle) begins(n int, plan string) (created, known time.Time) {
	for _, a := range o.accounts {
		if len(a.watch.Custom) > 0 || a.plan() != plan || !o.selects(n, a.life) || len(a.records) == 0 {
			continue
		}
		if known.IsZero() || a.first().Before(known) || a.first().Equal(known) && a.life.created.Before(created) {
			created, known = a.life.created, a.first()
		}
	}
	return created, known
}
