package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteSubscription is of a subscription, by name: when it was born.
const noteSubscription = "subscription"

// keepsBirth is how long a subscription that is gone is remembered: while a new config is rolled out, a server
// with the old one must not end what others know.
const keepsBirth = time.Hour

// saysAgain is how often each server says which subscriptions its config has and lacks: one that another server
// lacked, which came and went, is not over.
const saysAgain = keepsBirth / 4

// tries are made to write what somebody else writes as well.
const tries = 3

// subscription is one of the config's, since its birth.
type subscription struct {
	spec.Subscription
	set ruleset
}

// birth is a subscription's note.
type birth struct {
	Born time.Time `json:"born"`
	Gone time.Time `json:"gone,omitzero"` // since when a server's config lacks it
	Back time.Time `json:"back,omitzero"` // since when one lacked it that came back last
}

// over says whether a subscription with this birth will not come back.
func (b birth) over(now time.Time) bool {
	return !b.Gone.IsZero() && now.Sub(b.Gone) >= keepsBirth
}

// back is the birth once a server's config has it that another's lacked. While configs differ they lack it again and
// again: what was passed by since the first time is looked at, as far back as newcomers look.
func (b birth) back(now time.Time) birth {
	since := b.Gone
	if b.Gone.Sub(b.Back) < keepsBirth {
		since = earliest(b.Gone, latest(b.Back, now.Add(saysAgain-keepsBirth)))
	}
	return birth{Born: b.Born, Back: since}
}

// key names a subscription in the keys of what it tells. Removed for long and added again it is another one.
func (b birth) key(name string) string {
	return fmt.Sprintf("subscription %s of %d", name, b.Born.UnixMicro())
}

// nameIn is the name of a subscription in a key of its, and when it was born, in microseconds since 1970; of any
// other key both are zero.
func nameIn(key string) (name string, born int64) {
	rest, ok := strings.CutPrefix(key, "subscription ")
	i := strings.LastIndex(rest, " of ")
	if !ok || i < 0 {
		return "", 0
	}
	born, err := strconv.ParseInt(rest[i+len(" of "):], 10, 64)
	if err != nil {
		return "", 0
	}
	return rest[:i], born
}

// Rules are what the server's config says beside what tasks say.
type Rules struct {
	Subscriptions []spec.Subscription
	Quiet         map[string]*spec.Quiet // hours in which a connection is not used, by its name
}

// Subscribe makes the executor go by these subscriptions, and quiet hours, from the next transition on. A subscription is its
// name: one that was not there is born now, and hears of executions that are created from now on; one that has
// not been there for an hour, in any server's config, is forgotten.
func (n *NotifierExecutor) Subscribe(ctx context.Context, r Rules) error {
	n.wanted.Store(&r)
	return n.subscribe(ctx)
}

// subscribe takes up what is wanted, and says in the store what this server's config has and lacks.
func (n *NotifierExecutor) subscribe(ctx context.Context) error {
	n.subscribing.Lock()
	defer n.subscribing.Unlock()
	r, now := n.wanted.Load(), time.Now().UTC()
	known := map[string]store.Note{}
	for after := ""; ; {
		page, err := n.store.AllNotes(ctx, noteSubscription, after, namesPerCall)
		if err != nil {
			return fmt.Errorf("read subscriptions: %w", err)
		}
		for _, note := range page {
			known[note.Key], after = note, note.Key
		}
		if len(page) == 0 {
			break
		}
	}
	all := make([]subscription, 0, len(r.Subscriptions))
	for _, s := range r.Subscriptions {
		b, err := n.born(ctx, s.Name, known[s.Name], now)
		if err != nil {
			return err
		}
		delete(known, s.Name)
		all = append(all, newSubscription(s, b))
	}
	for _, note := range known {
		if err := n.unsubscribe(ctx, note, now); err != nil {
			return err
		}
	}
	if err := n.expect(ctx, all, now); err != nil {
		return err
	}
	if r == n.taken && slices.EqualFunc(all, n.subscriptions(), subscription.born) {
		return nil // nobody is to look again at what he has looked at
	}
	n.subscribed.Store(&all)
	n.quietHours.Store(&r.Quiet)
	n.taken = r
	return nil
}

// born says whether both were born, and came, at the same time.
func (s subscription) born(o subscription) bool {
	return s.set.key == o.set.key && s.set.came.Equal(o.set.came)
}

// unsubscribe notes that a subscription is gone, or forgets one that was gone for long.
func (n *NotifierExecutor) unsubscribe(ctx context.Context, note store.Note, now time.Time) error {
	b, err := readBirth(note)
	if err != nil {
		return err
	}
	switch {
	case b.over(now):
		if err := n.forgetSeries(ctx, b.key(note.Key), now); err != nil {
			return err
		}
		note.Removed = true
	case !b.Gone.IsZero():
		return nil
	default:
		b.Gone = now
		if note.Body, err = json.Marshal(b); err != nil {
			return fmt.Errorf("forget subscription %s: %w", note.Key, err)
		}
	}
	if err := settled(n.store.Write(ctx, store.Change{At: now, Notes: []store.Note{note}})); err != nil {
		return fmt.Errorf("forget subscription %s: %w", note.Key, err)
	}
	return nil
}

// forgetSeries removes the histories of launch plans that a subscription has heard of. The error wraps
// store.ErrConflict where others write them all the time: whoever forgets the subscription tries again, since nobody
// does once it is forgotten.
func (n *NotifierExecutor) forgetSeries(ctx context.Context, key string, now time.Time) error {
	prefix, failed := key+"|", 0
	for after := prefix; ; {
		page, err := n.store.AllNotes(ctx, noteSeries, after, namesPerCall)
		if err != nil {
			return fmt.Errorf("read histories of subscription %s: %w", key, err)
		}
		c, last := store.Change{At: now}, after
		for _, note := range page {
			if last = note.Key; strings.HasPrefix(note.Key, prefix) {
				note.Removed = true
				c.Notes = append(c.Notes, note)
			}
		}
		if len(c.Notes) == 0 {
			return nil
		}
		err = n.store.Write(ctx, c)
		switch {
		case err == nil:
			after, failed = last, 0
		case errors.Is(err, store.ErrConflict) && failed < tries:
			failed++ // one of them was written meanwhile: read them again
		default:
			return fmt.Errorf("forget histories of subscription %s: %w", key, err)
		}
	}
}

// born returns when a subscription was, which is now if nobody knows it. One that this server goes by is not over,
// though neither it nor the store could say so for long.
func (n *NotifierExecutor) born(ctx context.Context, name string, note store.Note, now time.Time) (b birth, err error) {
	for range tries {
		var was birth
		if note.Version > 0 {
			if was, err = readBirth(note); err != nil || was.Gone.IsZero() {
				return was, err
			}
		}
		b = n.bornHere(name, now)
		switch {
		case note.Version == 0:
		case !was.over(now), was.Born.Equal(b.Born):
			b = was.back(now)
		default:
			if err := n.forgetSeries(ctx, was.key(name), now); err != nil {
				return b, err
			}
		}
		note.Kind, note.Key = noteSubscription, name
		if note.Body, err = json.Marshal(b); err != nil {
			return b, fmt.Errorf("keep subscription %s: %w", name, err)
		}
		err = n.store.Write(ctx, store.Change{At: now, Notes: []store.Note{note}})
		if !errors.Is(err, store.ErrConflict) {
			return b, err
		}
		found, err := n.store.Notes(ctx, noteSubscription, []string{name}) // another server was faster
		if err != nil {
			return b, fmt.Errorf("read subscription %s: %w", name, err)
		}
		if note = (store.Note{}); len(found) > 0 {
			note = found[0]
		}
	}
	return b, fmt.Errorf("keep subscription %s: %w", name, store.ErrConflict)
}

// bornHere is the birth that this server knows of a subscription.
func (n *NotifierExecutor) bornHere(name string, now time.Time) birth {
	for _, s := range n.subscriptions() {
		if s.Name == name {
			return birth{Born: s.set.born, Back: s.set.came}
		}
	}
	return birth{Born: now.Truncate(time.Microsecond)}
}

// readBirth reads a subscription's note.
func readBirth(note store.Note) (b birth, err error) {
	if err := json.Unmarshal(note.Body, &b); err != nil {
		return b, fmt.Errorf("read subscription %s: %w", note.Key, err)
	}
	return b, nil
}

// Births is what Born reads of a store: store.Notes has it.
type Births interface {
	Notes(ctx context.Context, kind string, keys []string) ([]store.Note, error)
}

// Born returns when a subscription was born; zero if no server knows it.
func Born(ctx context.Context, s Births, name string) (time.Time, error) {
	found, err := s.Notes(ctx, noteSubscription, []string{name})
	if err != nil {
		return time.Time{}, fmt.Errorf("read subscription %s: %w", name, err)
	}
	if len(found) == 0 {
		return time.Time{}, nil
	}
	b, err := readBirth(found[0])
	if err != nil || b.over(time.Now()) {
		return time.Time{}, err
	}
	return b.Born, nil
}

func newSubscription(s spec.Subscription, b birth) subscription {
	return subscription{Subscription: s, set: ruleset{
		name: s.Name, key: b.key(s.Name), born: b.Born, came: latest(b.Born, b.Back), catchUp: s.CatchUp, rules: s.Rules, needs: needsOf(s.Rules),
	}}
}

// subscriptions are those that the executor goes by now.
func (n *NotifierExecutor) subscriptions() []subscription {
	if all := n.subscribed.Load(); all != nil {
		return *all
	}
	return nil
}

// isSubscribed says whether subscriptions made the watch, and no task.
func isSubscribed(w store.Watch) bool { return w.Kind == store.Follow && len(w.Custom) == 0 }

// selected are the rules of the subscriptions that an execution is of. Of one that is known by a row alone,
// they are all that it could be of.
func (n *NotifierExecutor) selected(x flyte.Execution) (all rulesets) {
	subject := SubjectOf(x)
	known := x.Workflow != "" || x.LaunchPlan != ""
	subs := n.subscriptions()
	for i := range subs {
		s := &subs[i] // there may be thousands
		if !x.CreatedAt.IsZero() && x.CreatedAt.Before(s.set.born) {
			continue
		}
		if known && s.Match.Matches(&subject) || !known && s.Match.Scoped(x.ID.Project, x.ID.Domain) {
			all = append(all, s.setFor(x))
		}
	}
	return all
}

// setFor are the subscription's rules, and those that the execution's launch plan declares if they are honored.
func (s subscription) setFor(x flyte.Execution) ruleset {
	set := s.set
	if s.Honor == nil || len(x.Notifications) == 0 {
		return set
	}
	set.rules = slices.Concat(set.rules, Declared(s.Honor, x))
	return set
}

// Declared are the rules that an execution's own notifications stand for, where a subscription honors them.
func Declared(h *spec.Honor, x flyte.Execution) (all []spec.Rule) {
	for i, n := range x.Notifications {
		all = append(all, h.Rule(fmt.Sprintf("%s%s-%d", spec.HonoredPrefix, n.Kind, i), n.Phases, n.Recipients))
	}
	return all
}

// SubjectOf is what a subscription's match looks at of an execution.
func SubjectOf(x flyte.Execution) spec.Subject {
	return spec.Subject{
		Project: x.ID.Project, Domain: x.ID.Domain, Workflow: x.Workflow, LaunchPlan: x.LaunchPlan,
		User: x.User, Trigger: x.Trigger, Labels: x.Labels,
	}
}
