package executor_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// oracle knows what must have been told, what may, and what not. It goes by the lives, by what of them was
// visible when, and by when anybody could look: never by what the executor itself makes of facts. Where the
// truth depends on when somebody looked, it takes that time from the timelines, after it has judged these.
type oracle struct {
	*soak
	told     map[string]time.Time // what no expectation has met yet
	accounts map[string]*account  // by watch
	ends     map[string][]counted // of launch plans
	all      []store.Delivery     // oldest first
	sent     map[string]store.Delivery
	faults   []string
	tally    soakTally
	met      int // occurrences that had to be told, or not, and were
	free     int // that could be told or not, as it happened
}

// record is an event of a watch's timeline: a phase was entered.
type record struct {
	at    time.Time
	phase string
}

// account is a watch with what became of it.
type account struct {
	*oracle
	watch   store.Watch
	life    *life
	records []record
	gone    time.Time // when it was cancelled
}

func (o *oracle) fault(format string, args ...any) {
	o.faults = append(o.faults, fmt.Sprintf(format, args...))
}

// judge compares what was told with what the lives say.
func (s *soak) judge() {
	o := &oracle{soak: s, told: map[string]time.Time{}, accounts: map[string]*account{}, ends: map[string][]counted{}, sent: map[string]store.Delivery{}}
	o.read()
	o.holds()
	for _, a := range o.accounts {
		a.timeline()
		a.counts()
	}
	for i, task := range s.tasks {
		if a := o.accounts[store.NewID("w", fmt.Sprint("task ", i))]; a != nil {
			a.ending(task)
			a.rules("", task.rules, nil)
		}
	}
	o.subscribed()
	o.series()
	for _, key := range slices.Sorted(maps.Keys(o.told)) {
		o.fault("made up: %s at %s", key, stamp(o.told[key]))
	}
	s.t.Logf("%d executions, %d tasks, %d servers, %d killed at a write, %d outages, %d writes failed, %d watches, %d occurrences exactly, %d free",
		len(s.lives), len(s.tasks), s.servers, s.kills, len(s.weather.outages), len(s.weather.bumps), len(o.accounts), o.met, o.free)
	s.t.Log(o.tally)
	slices.Sort(o.faults)
	for _, fault := range o.faults[:min(len(o.faults), 40)] {
		s.t.Error(fault)
	}
	require.Empty(s.t, len(o.faults), "faults")
}

func stamp(t time.Time) string { return t.Format("02T15:04:05.000") }

// show is spans for people.
func show(all []span) (texts []string) {
	for _, s := range all {
		texts = append(texts, stamp(s.from)+" to "+stamp(s.to))
	}
	return texts
}

// read reads all that is in the store.
func (o *oracle) read() {
	ctx := o.t.Context()
	require.NoError(o.t, o.store.Watches(ctx, store.Filter{}, func(w store.Watch) error {
		a := &account{oracle: o, watch: w, life: o.admin.lives[w.Execution], gone: forever}
		if w.State == store.Cancelled {
			a.gone = w.EndedAt
		}
		o.accounts[w.ID] = a
		return nil
	}))
	for id, a := range o.accounts {
		for after := int64(0); ; {
			events, err := o.store.Events(ctx, id, after, 1000)
			require.NoError(o.t, err)
			for _, e := range events {
				after = e.Seq
				switch phase, _, _ := strings.Cut(e.Text, " "); e.Kind {
				case "phase":
					a.records = append(a.records, record{e.At, phase})
				case "error", "lost", "missing":
					o.fault("%s: %s: %s", a.name(), e.Kind, e.Text)
				}
			}
			if len(events) < 1000 {
				break
			}
		}
	}
	require.NoError(o.t, o.store.Deliveries(ctx, store.Filter{}, func(d store.Delivery) error {
		key := d.WatchID + "|" + setOf(d.Key) + "|" + tail(d.Key)
		if d.Execution.Name == "" { // of a launch plan: subscription, plan, last success ...
			parts := strings.Split(d.Key, "|")
			key = "silence of " + d.Execution.Scope.String() + "/" + parts[1] + " since " + parts[2]
		}
		o.told[key], o.sent[key] = d.CreatedAt, d
		o.all = append(o.all, d)
		return nil
	}))
}

// setOf is the name of the subscription that a delivery is of.
func setOf(key string) string {
	name, ok := strings.CutPrefix(key, "subscription ")
	if !ok {
		return ""
	}
	return name[:strings.Index(name, " of ")]
}

// tail is rule, reason, count and step.
func tail(key string) string {
	parts := strings.Split(key, "|")
	return strings.Join(parts[len(parts)-4:], "|")
}

// name is the execution with its life, as far as people want to know.
func (a *account) name() string {
	text := fmt.Sprintf("%s (%s, %s", a.watch.Execution, a.life.plan, a.watch.ID[:5])
	for _, s := range a.life.turns {
		text += fmt.Sprintf(", %s at %s seen %s", s.phase, stamp(s.at), stamp(s.seen))
	}
	for _, r := range a.records {
		text += fmt.Sprintf("; recorded %s %s", r.phase, stamp(r.at))
	}
	return text + ")"
}

// first is when it was first looked at.
func (a *account) first() time.Time {
	if len(a.records) == 0 {
		return forever
	}
	return a.records[0].at
}

// phaseAt is what was recorded last at a time, and when.
func (a *account) phaseAt(t time.Time) (last record) {
	for _, r := range a.records {
		if r.at.After(t) {
			break
		}
		last = r
	}
	return last
}

// recorded are the times at which a phase that fits was the recorded one.
func (a *account) recorded(fits func(phase string) bool) (all []span) {
	for i, r := range a.records {
		to := a.gone
		if i+1 < len(a.records) {
			to = a.records[i+1].at
		}
		if fits(r.phase) {
			all = append(all, span{r.at, to})
		}
	}
	return all
}

func alive(phase string) bool { return !flyte.Terminal(phase) }

// timeline judges what was recorded: nothing that was not visible, and all that was for long enough.
func (a *account) timeline() {
	for _, r := range a.records {
		if s, ok := a.life.now(r.at); !ok || s.phase != r.phase || !a.weather.up(r.at) || r.at.After(a.gone) {
			a.fault("%s: %s was recorded at %s, when it was %s", a.name(), r.phase, stamp(r.at), s.phase)
		}
	}
	for i, s := range a.life.turns {
		for _, v := range a.life.visible(func(n int, _ turn) bool { return n == i }) {
			v = v.and(span{a.first(), a.gone})
			if last := a.phaseAt(v.from); flyte.Terminal(last.phase) {
				v = v.and(span{v.from, last.at.Add(soakSweep)})
			}
			within := soakPrompt
			if s.seen.Sub(s.at) > soakOverlap {
				within = soakSlow
			}
			by := a.weather.by([]span{v}, within)
			if by.IsZero() {
				continue
			}
			if a.phaseAt(by).phase != s.phase {
				a.fault("%s: %s is visible from %s and was not recorded by %s", a.name(), s.phase, stamp(s.seen), stamp(by))
			}
		}
	}
}

// ending judges whether a task's watch was begun and cancelled in time.
func (a *account) ending(task *soakTask) {
	if by := a.weather.by([]span{{task.registered, a.gone}}, soakPrompt); !by.IsZero() && a.first().After(by) {
		a.fault("%s: registered at %s, not looked at by %s", a.name(), stamp(task.registered), stamp(by))
	}
	if a.gone.Equal(task.cancelled) || task.own == nil {
		if a.gone != forever && task.own == nil && !a.gone.Equal(task.cancelled) {
			a.fault("%s: cancelled at %s", a.name(), stamp(a.gone))
		}
		return
	}
	ended := task.own.visible(func(_ int, s turn) bool { return flyte.Terminal(s.phase) })
	if a.gone != forever {
		if !slices.ContainsFunc(ended, func(s span) bool { return s.has(a.gone) }) {
			a.fault("%s: cancelled at %s while its own execution ran", a.name(), stamp(a.gone))
		}
		return
	}
	if by := a.weather.by(both(ended, a.recorded(alive)...), soakSlow); !by.IsZero() {
		a.fault("%s: its own execution %s ended, not cancelled by %s", a.name(), task.own.id, stamp(by))
	}
}

// subscribed judges what subscriptions told of each execution.
func (o *oracle) subscribed() {
	all := soakSubscriptions()
	for _, l := range o.lives {
		a := o.accounts[store.NewID("w", "subscribed||"+l.id.String())]
		selected := false
		for n, sub := range all {
			if !o.selects(n, l) {
				continue
			}
			selected = true
			if a != nil {
				a.rules(sub.Name, sub.Rules, o.recoveries(sub.Name, l))
			}
		}
		within := soakPrompt
		if l.found.Sub(l.created) > soakOverlap {
			within = soakSlow
		}
		switch by := o.weather.by([]span{since(l.found)}, within); {
		case a == nil && selected && !by.IsZero():
			o.fault("%s (%s, %s): created %s, visible from %s, not found by %s", l.id, l.plan, l.team, stamp(l.created), stamp(l.found), stamp(by))
		case a != nil && !selected:
			o.fault("%s: found, but nobody wants it", l.id)
		case a != nil && !by.IsZero() && a.first().After(by):
			a.fault("%s: visible from %s, first looked at %s, not by %s", a.name(), stamp(l.found), stamp(a.first()), stamp(by))
		}
	}
}

// take is when something was told, which it then no longer needs to be.
func (a *account) take(key string) (time.Time, bool) {
	at, ok := a.told[key]
	delete(a.told, key)
	return at, ok
}

// once judges something that is told once: at a time at which it may be, and by when it must be (zero: never).
func (a *account) once(key string, may []span, by time.Time) (time.Time, bool) {
	at, told := a.take(key)
	switch {
	case told && (!a.weather.up(at) || !slices.ContainsFunc(may, func(s span) bool { return s.has(at) })):
		a.fault("%s: not true when told: %s at %s, may %v", a.name(), key, stamp(at), show(may))
	case told && !by.IsZero() && at.After(by):
		a.fault("%s: late: %s at %s, due by %s", a.name(), key, stamp(at), stamp(by))
	case !told && !by.IsZero():
		a.fault("%s: lost: %s due by %s, may %v", a.name(), key, stamp(by), show(may))
	case by.IsZero() && a.weather.seen(may):
		a.free++
	default:
		a.met++
	}
	return at, told
}

// rules judges what the rules of a set told. recovered is when a launch plan's later success was counted,
// of the end that it has at a time; nil: nobody asks.
func (a *account) rules(set string, rules []spec.Rule, recovered func(time.Time) time.Time) {
	for _, r := range rules {
		prefix := a.watch.ID + "|" + set + "|" + r.Name + "|"
		if r.If != nil && a.life.team != "ml" {
			continue
		}
		if r.When.Is() == spec.WhenPhase {
			a.phases(prefix, r, recovered)
			continue
		}
		for _, c := range a.conditions(r.When) {
			a.condition(prefix+c.reason, r, c)
		}
	}
}

// phases judges a rule of phases: what was recorded is told at that moment.
func (a *account) phases(prefix string, r spec.Rule, recovered func(time.Time) time.Time) {
	for _, phase := range r.When.Phases {
		i := slices.IndexFunc(a.records, func(r record) bool { return r.phase == phase })
		if i < 0 {
			continue
		}
		key, at := prefix+"phase:"+phase, a.records[i].at
		if got, ok := a.take(key + "|0|send[0]"); !ok || !got.Equal(at) {
			a.fault("%s: %s was not told when it was recorded, at %s, but at %s", a.name(), key, stamp(at), stamp(got))
			continue
		}
		a.met++
		until := forever
		if recovered != nil && (phase == "FAILED" || phase == "TIMED_OUT") {
			until = recovered(at).Add(time.Microsecond) // at that moment either may come first
		}
		holds := both(a.life.visible(func(_ int, s turn) bool { return s.phase == phase }), span{at, until})
		a.goesOn(key, r, at, holds)
	}
}
