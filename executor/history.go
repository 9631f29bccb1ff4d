package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteSeries is of a launch plan, as a subscription selects its executions.
const noteSeries = "series"

// locks let one goroutine at a time go on with the history of a launch plan: many executions of one may end at
// once. Other servers are kept out by the notes' versions.
type locks struct{ all [64]sync.Mutex }

func (l *locks) lock(s flyte.Scope, launchPlan string) (unlock func()) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.String() + "/" + launchPlan)) // never fails
	mu := &l.all[h.Sum32()%uint32(len(l.all))]
	mu.Lock()
	return mu.Unlock
}

// alone makes the caller the only one here to judge executions of a launch plan, if a history may be told.
func (n *NotifierExecutor) alone(w store.Watch, f Facts, sets rulesets) (done func()) {
	if !isSubscribed(w) || !sets.needs().history {
		return func() {}
	}
	return n.series.lock(w.Execution.Scope, f.Execution.LaunchPlan)
}

// plan is a launch plan of which a subscription hears.
type plan struct {
	Scope      flyte.Scope `json:"scope"`
	LaunchPlan string      `json:"launch_plan"`
	Set        string      `json:"subscription"` // its key
}

func planOf(set ruleset, x flyte.Execution) plan {
	return plan{Scope: x.ID.Scope, LaunchPlan: x.LaunchPlan, Set: set.key}
}

func (p plan) key() string {
	return p.Set + "|" + p.Scope.Org + "/" + p.Scope.String() + "/" + p.LaunchPlan
}

// kept is a series as its note holds it.
type kept struct {
	Plan   plan   `json:"plan"`
	Series Series `json:"series"`
}

// beginSeries reads a launch plan's series, or begins it.
func (n *NotifierExecutor) beginSeries(ctx context.Context, set ruleset, p plan) (note store.Note, k kept, err error) {
	note, k, err = readSeries(ctx, n.store, p)
	if err == nil && note.Version == 0 {
		return newSeries(p), kept{Plan: p, Series: Series{Born: set.born}}, nil
	}
	return note, k, err
}

// readSeries reads a launch plan's series. The note's Version is 0 if there is none.
func readSeries(ctx context.Context, s Births, p plan) (note store.Note, k kept, err error) {
	found, err := s.Notes(ctx, noteSeries, []string{p.key()})
	if err == nil && len(found) > 0 {
		note = found[0]
		err = json.Unmarshal(note.Body, &k)
	}
	if err != nil {
		return note, k, fmt.Errorf("read history of launch plan %s: %w", p.LaunchPlan, err)
	}
	return note, k, nil
}

func newSeries(p plan) store.Note {
	return store.Note{Kind: noteSeries, Key: p.key(), Execution: flyte.ExecutionID{Scope: p.Scope}}
}

// history makes an execution part of its launch plan's history when it has ended, and adds to the facts what
// that makes the set's rules say. notes is what to write.
func (n *NotifierExecutor) history(ctx context.Context, set ruleset, f *Facts, before Progress, now time.Time) (notes []store.Note, err error) {
	if f.Execution.LaunchPlan == "" {
		return nil, nil // a row tells nothing of it
	}
	note, k, err := n.beginSeries(ctx, set, planOf(set, f.Execution))
	if err != nil {
		return nil, err
	}
	if created := f.Execution.CreatedAt; note.Version == 0 && created.After(k.Series.Born) {
		k.Series.Born = created // nobody had heard of the launch plan before
	}
	was, s := k.Series, k.Series
	if _, done := before[counted]; f.ended() && done && f.Execution.Phase == "SUCCEEDED" {
		s = s.succeeded(f.Execution.EndedAt, set.rules) // it had ended otherwise, and went on
	} else if f.ended() && !done {
		var fired []Occurrence
		s, fired = s.Ended(f.Execution, set.rules)
		f.Fires = make(map[string]string, len(fired))
		for _, o := range fired {
			f.Fires[o.Rule] = o.Reason
		}
	}
	f.History = s.History(was)
	f.Recovered = f.recovered(s)
	_, silent, due := s.Silent(set.rules, now)
	if len(silent) > 0 { // the timers tell of it
		due = earliest(due, now)
		if !note.Due.IsZero() && s.LastSuccess.Equal(was.LastSuccess) {
			due = note.Due
		}
	}
	due = due.Truncate(time.Microsecond)
	if same := slices.Equal(s.Last, was.Last) && s.LastSuccess.Equal(was.LastSuccess); same && (note.Version > 0 && note.Due.Equal(due) || note.Version == 0 && due.IsZero()) {
		return nil, nil
	}
	return written(note, kept{Plan: k.Plan, Series: s}, due)
}

// recovered says whether the execution failed, and one of its launch plan has succeeded since.
func (f Facts) recovered(s Series) bool {
	return f.ended() && failed(f.Execution.Phase) && s.LastSuccess.After(f.Execution.EndedAt)
}

func failed(phase string) bool { return phase == "FAILED" || phase == "TIMED_OUT" }

func written(note store.Note, k kept, due time.Time) ([]store.Note, error) {
	body, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("keep history of launch plan %s: %w", k.Plan.LaunchPlan, err)
	}
	note.Body, note.Due = body, due
	return []store.Note{note}, nil
}

// expect begins the series of launch plans that subscriptions name: one that never runs is missed as well.
func (n *NotifierExecutor) expect(ctx context.Context, all []subscription, now time.Time) error {
	for _, s := range all {
		scope, one := s.scope()
		if _, _, due := (Series{Born: s.set.born}).Silent(s.set.rules, s.set.born); !one || !s.Match.OnePlan() || due.IsZero() {
			continue
		}
		p := plan{Scope: scope, LaunchPlan: s.Match.LaunchPlan, Set: s.set.key}
		note, k, err := n.beginSeries(ctx, s.set, p)
		if err != nil {
			return err
		}
		if _, _, due := k.Series.Silent(s.set.rules, s.set.born); note.Version == 0 || note.Due.IsZero() && !due.IsZero() {
			notes, err := written(note, k, due)
			if err != nil {
				return err
			}
			if err := settled(n.store.Write(ctx, store.Change{At: now, Notes: notes})); err != nil {
				return fmt.Errorf("expect launch plan %s: %w", p.LaunchPlan, err)
			}
		}
	}
	return nil
}

// overdueAll looks at launch plans of which no execution may have succeeded for long.
func (n *NotifierExecutor) overdueAll(ctx context.Context, notes []store.Note) error {
	return eachNote(notes, func(note store.Note) error { return n.overdue(ctx, note) })
}

// overdue tells of a launch plan of which no execution has succeeded for too long. Whoever judges an execution of
// it meanwhile is faster: nobody waits for flyteadmin's answer.
func (n *NotifierExecutor) overdue(ctx context.Context, note store.Note) error {
	var k kept
	if err := json.Unmarshal(note.Body, &k); err != nil {
		return fmt.Errorf("read history %s: %w", note.Key, err)
	}
	now := time.Now().UTC()
	sub, ok := n.subscriptionOf(k.Plan.Set)
	if !ok {
		return n.orphaned(ctx, note, k.Plan.Set, now)
	}
	s, fired, due := k.Series.Silent(sub.set.rules, now)
	if len(fired) > 0 {
		unseen, err := n.succeeded(ctx, sub, k)
		if err != nil {
			return err
		}
		if !unseen.IsZero() {
			s = k.Series
			s.LastSuccess = unseen
			s, fired, due = s.Silent(sub.set.rules, now)
		}
	}
	c := store.Change{At: now}
	var err error
	if c.Notes, err = written(note, kept{Plan: k.Plan, Series: s}, due); err != nil {
		return err
	}
	if err := n.tellOverdue(ctx, &c, sub, k, fired, now); err != nil {
		return err
	}
	if err := n.store.Write(ctx, c); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return nil // an end was taken, or another server is at it: it is looked at again
		}
		return fmt.Errorf("tell of launch plan %s: %w", k.Plan.LaunchPlan, err)
	}
	for _, d := range c.Deliveries {
		n.bundleClock.set(d.HeldUntil)
	}
	n.clock.set(due)
	if len(c.Deliveries) > 0 {
		n.metrics.occurrences.Add(float64(len(fired)))
		n.log.InfoContext(ctx, "fired", "launch_plan", k.Plan.LaunchPlan, "scope", k.Plan.Scope.String(), "subscription", sub.Name, "deliveries", len(c.Deliveries))
		n.delivered(c.Deliveries)
	}
	return nil
}

// orphaned sees to a history of a subscription that this server does not know: it is gone, unless another server's
// config has it.
func (n *NotifierExecutor) orphaned(ctx context.Context, note store.Note, key string, now time.Time) error {
	name, _ := nameIn(key)
	found, err := n.store.Notes(ctx, noteSubscription, []string{name})
	if err != nil {
		return fmt.Errorf("read subscription %s: %w", name, err)
	}
	note.Removed = true
	if len(found) > 0 {
		b, err := readBirth(found[0])
		if err != nil {
			return err
		}
		note.Removed = b.key(name) != key || b.over(now)
	}
	note.Due = now.Add(orphanLook)
	return settled(n.store.Write(ctx, store.Change{At: now, Notes: []store.Note{note}}))
}

// orphanLook is between two looks at whether a subscription that this server does not know is still another's.
const orphanLook = time.Minute

// tellOverdue adds the deliveries of what is overdue, as far as the rules' ifs hold.
func (n *NotifierExecutor) tellOverdue(ctx context.Context, c *store.Change, sub subscription, k kept, fired []Occurrence, now time.Time) error {
	f := Facts{
		Execution: flyte.Execution{ID: flyte.ExecutionID{Scope: k.Plan.Scope}, LaunchPlan: k.Plan.LaunchPlan, LaunchPlanScope: k.Plan.Scope},
		History:   k.Series.History(k.Series),
	}
	set := sub.set.since(k.Plan, k.Series)
	for _, o := range fired {
		rule := set.rule(o)
		if rule.If != nil {
			holds, err := rule.If.Eval(f.expr(rule.Name, now))
			if err != nil {
				n.metrics.ruleErrors.Inc()
				n.log.ErrorContext(ctx, "rule cannot be judged", "rule", rule.Name, "subscription", sub.Name, "launch_plan", k.Plan.LaunchPlan, "error", err)
			}
			if err != nil || !holds {
				continue
			}
		}
		happened := occasion{
			watch: store.Watch{ID: store.NewID("s", k.Plan.key()), Execution: f.Execution.ID}, set: set, occur: o, message: rule.Message, data: f.data(o, now),
		}
		made, err := n.deliveries(happened, now)
		if err != nil {
			return err
		}
		made, notes, err := n.prepare(ctx, happened, f, made, now)
		if err != nil {
			return err
		}
		c.Deliveries, c.Notes = append(c.Deliveries, made...), append(c.Notes, notes...)
	}
	return nil
}

// History is the series as templates see it: with the failures that go on, or that ended since it was as before.
func (s Series) History(before Series) render.History {
	h := render.History{Failures: s.Failures, Since: s.FailedSince, LastSuccess: s.LastSuccess}
	if h.Failures == 0 {
		h.Failures, h.Since = before.Failures, before.FailedSince
	}
	return h
}

// since is the set with keys for a silence: one that begins after another success is another one.
func (set ruleset) since(p plan, s Series) ruleset {
	set.key = fmt.Sprintf("%s|%s|%d", set.key, p.LaunchPlan, s.LastSuccess.UnixMicro())
	return set
}

// succeeded asks flyteadmin when an execution succeeded last that was not seen yet; zero if none has. A server that was
// down must not tell what is not so.
func (n *NotifierExecutor) succeeded(ctx context.Context, sub subscription, k kept) (last time.Time, err error) {
	since := k.Series.LastSuccess
	if since.IsZero() {
		since = k.Series.Born
	}
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	all, err := n.admin.Succeeded(ctx, k.Plan.Scope, k.Plan.LaunchPlan, since)
	if err != nil {
		return last, fmt.Errorf("find successes of launch plan %s: %w", k.Plan.LaunchPlan, err)
	}
	for _, x := range all {
		if subject := SubjectOf(x); x.EndedAt.After(since) && !x.CreatedAt.Before(sub.set.born) && sub.Match.Matches(&subject) {
			last = latest(last, x.EndedAt)
		}
	}
	return last, nil
}

func (n *NotifierExecutor) subscriptionOf(key string) (subscription, bool) {
	for _, s := range n.subscriptions() {
		if s.set.key == key {
			return s, true
		}
	}
	return subscription{}, false
}
