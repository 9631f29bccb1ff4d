package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteDiscovery is of a scope: up to when executions that were created in it are known.
const noteDiscovery = "discovery"

const (
	discoverPage   = 500              // executions a call
	aheadMost      = 10 * time.Minute // that flyteadmin's clock may be ahead of ours
	shortestWindow = time.Millisecond // with more executions than a page holds
	projectsEvery  = time.Minute
	newScope       = 24 * time.Hour   // of a scope that was never looked at: a pattern that was widened tells nothing older
	saveEvery      = 5 * time.Second  // what is known is recorded, at most
	lateAfter      = 15 * time.Minute // what happened longer ago is caught up with
	quietShare     = 20               // a scope that was quiet for so long is asked for new executions after this part of it
)

// discovery finds a scope's new executions. One goroutine at a time uses it.
type discovery struct {
	scope flyte.Scope
	note  store.Note
	known time.Time            // up to when executions are known; zero: the note was not read yet
	saved time.Time            // known, as the note has it
	swept time.Time            // when it last looked far back
	found time.Time            // when it last found one
	next  time.Time            // when to look again
	seen  map[string]time.Time // names that were seen to, with their creation
}

// discoverer finds new executions of all scopes that subscriptions select and this server holds.
type discoverer struct {
	n        *NotifierExecutor
	subs     *[]subscription // when it looked last
	scopes   map[flyte.Scope]*discovery
	projects []flyte.Project
	listed   time.Time
}

// discover looks for new executions of each scope, once.
func (d *discoverer) discover(ctx context.Context) error {
	subs := d.n.subscriptions()
	d.notice(subs)
	listed := d.list(ctx, subs)
	held, now := d.n.holding.Load(), time.Now().UTC()
	due := map[flyte.Scope][]*discovery{}
	scopes := d.selectedScopes(subs)
	d.n.discovering.Store(&scopes)
	for scope := range scopes {
		x := d.scopes[scope]
		switch {
		case !held.first(scope):
			delete(d.scopes, scope) // who holds it goes on from the note
			continue
		case x == nil:
			x = &discovery{scope: scope, seen: map[string]time.Time{}, found: now}
			d.scopes[scope] = x
		}
		if !now.Before(x.next) {
			due[scope] = []*discovery{x}
		}
	}
	return errors.Join(listed, inScopes(d.n, due, func(_ flyte.Scope, batch []*discovery) error { return batch[0].look(ctx, d.n) }))
}

// notice has everything looked at again that was created since the youngest subscription was born: what nobody
// selected before was passed by.
func (d *discoverer) notice(subs []subscription) {
	now := d.n.subscribed.Load()
	if now == d.subs {
		return
	}
	d.subs = now
	var youngest time.Time
	for _, s := range subs {
		youngest = latest(youngest, s.set.born)
	}
	for _, x := range d.scopes {
		clear(x.seen)
		if x.swept, x.next = (time.Time{}), (time.Time{}); !x.known.IsZero() {
			x.known = earliest(x.known, youngest)
		}
	}
}

// list asks for the projects there are, if a pattern of a subscription needs them.
func (d *discoverer) list(ctx context.Context, subs []subscription) error {
	if time.Since(d.listed) < projectsEvery || !slices.ContainsFunc(subs, func(s subscription) bool { _, one := s.scope(); return !one }) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	d.listed = time.Now()
	projects, err := d.n.admin.Projects(ctx)
	if err != nil { // those that are known do meanwhile
		d.listed = d.listed.Add(d.n.cfg.Feed.Interval - projectsEvery)
		return fmt.Errorf("find the projects of subscriptions: %w", err)
	}
	d.projects = projects
	return nil
}

// scope is the one that a subscription selects, if it is one.
func (s subscription) scope() (flyte.Scope, bool) {
	scope := flyte.Scope{Project: s.Match.Project, Domain: s.Match.Domain}
	return scope, s.Match.OneScope()
}

// selectedScopes are all scopes that subscriptions select, with the birth of the oldest of those.
func (d *discoverer) selectedScopes(subs []subscription) map[flyte.Scope]time.Time {
	all := map[flyte.Scope]time.Time{}
	add := func(scope flyte.Scope, s subscription) {
		all[scope] = earliest(all[scope], s.set.born)
	}
	for _, s := range subs {
		if scope, one := s.scope(); one {
			add(scope, s)
			continue
		}
		for _, p := range d.projects {
			for _, domain := range p.Domains {
				if s.Match.Scoped(p.ID, domain) {
					add(flyte.Scope{Project: p.ID, Domain: domain}, s)
				}
			}
		}
	}
	return all
}

// scopes are those that subscriptions select, with the birth of the oldest of those.
func (n *NotifierExecutor) scopes() map[flyte.Scope]time.Time {
	if scopes := n.discovering.Load(); scopes != nil {
		return *scopes
	}
	return nil
}

// discoveryShards adds the scopes of subscriptions to the shards there are, so that somebody holds each.
func (n *NotifierExecutor) discoveryShards(all []flyte.Shard) []flyte.Shard {
	there := map[flyte.Scope]bool{}
	for _, s := range all {
		there[s.Scope] = true
	}
	all = slices.Clone(all)
	for scope := range n.scopes() {
		if !there[scope] {
			all = append(all, flyte.Shard{Scope: scope, Index: 0, Of: 1})
		}
	}
	return all
}

// look finds what was created in the scope since the last look, and a while before it: an execution becomes
// visible later than the time of its creation. Now and then it looks further back.
func (x *discovery) look(ctx context.Context, n *NotifierExecutor) error {
	now := time.Now().UTC()
	born := n.scopes()[x.scope]
	from := x.known.Add(-n.cfg.Feed.Overlap)
	if x.known.IsZero() {
		if err := x.load(ctx, n, latest(born, now.Add(-newScope))); err != nil {
			return err
		}
		from = x.known.Add(-2 * n.cfg.Feed.Sweep) // what was seen late by who looked before is found now or never
	}
	sweep := now.Sub(x.swept) >= n.cfg.Feed.Sweep
	if sweep {
		// From what is known, not from now: what became visible late may have done so during an outage.
		from = x.known.Add(-2 * n.cfg.Feed.Sweep)
	}
	if from.Before(born) {
		from = born
	}
	if err := x.window(ctx, n, from, now.Add(aheadMost), now); err != nil {
		return err
	}
	x.known = now
	if sweep {
		x.swept = now
	}
	x.forget(now.Add(-2*n.cfg.Feed.Sweep - n.cfg.Feed.Overlap))
	x.next = now.Add(n.quiet(now.Sub(x.found)))
	return x.save(ctx, n)
}

// quiet is how long to leave a scope alone in which no execution was created for so long. The looks that ask
// come once an interval, and a little earlier.
func (n *NotifierExecutor) quiet(since time.Duration) time.Duration {
	interval := n.cfg.Feed.Interval
	return min(max(since/quietShare, interval), max(n.cfg.Discovery, interval)) - interval/2
}

// window finds what was created in [from, to). More than a page are found in halves, the older first, so that
// after a long outage what is known moves on.
func (x *discovery) window(ctx context.Context, n *NotifierExecutor, from, to, now time.Time) error {
	asked := time.Now()
	callCtx, cancel := context.WithTimeout(ctx, factsTimeout)
	found, whole, err := n.admin.Discover(callCtx, x.scope, from, to, discoverPage)
	cancel()
	if err != nil {
		return err
	}
	if !whole && to.Sub(from) > shortestWindow {
		middle := from.Add(to.Sub(from) / 2)
		if err := x.window(ctx, n, from, middle, now); err != nil {
			return err
		}
		if middle.Before(now) {
			x.known = middle
			if err := x.save(ctx, n); err != nil {
				return err
			}
		}
		return x.window(ctx, n, middle, to, now)
	}
	if !whole {
		n.log.ErrorContext(ctx, "more executions were created within a millisecond than one call returns", "scope", x.scope.String(), "at", from)
	}
	return x.meet(ctx, n, found, asked)
}

// meet makes watches of the executions that a subscription selects. In the order of their ends, so that a
// launch plan's history is told as it was. asked is when flyteadmin was asked for them.
func (x *discovery) meet(ctx context.Context, n *NotifierExecutor, found []flyte.Execution, asked time.Time) error {
	found = slices.DeleteFunc(found, func(e flyte.Execution) bool { _, seen := x.seen[e.ID.Name]; return seen })
	slices.SortFunc(found, func(a, b flyte.Execution) int {
		if a.EndedAt.IsZero() != b.EndedAt.IsZero() {
			return b.EndedAt.Compare(a.EndedAt) // what runs comes last
		}
		return a.EndedAt.Compare(b.EndedAt)
	})
	var met errgroup.Group
	met.SetLimit(writers)
	var errs []error
	for _, e := range found {
		x.found = time.Now().UTC()
		if len(n.selected(e)) == 0 {
			x.seen[e.ID.Name] = e.CreatedAt
			continue
		}
		if !e.EndedAt.IsZero() {
			if err := n.meet(ctx, e, asked); err != nil {
				errs = append(errs, err)
				continue
			}
			x.seen[e.ID.Name] = e.CreatedAt
			continue
		}
		met.Go(func() error { return n.meet(ctx, e, asked) })
	}
	err := errors.Join(append(errs, met.Wait())...)
	if err == nil {
		for _, e := range found {
			x.seen[e.ID.Name] = e.CreatedAt
		}
	}
	return err
}

// meet registers the watch of an execution that subscriptions select, and judges it by what the list told. Where that
// is long ago, since much is caught up with, flyteadmin is asked again: of a change right after the list no read by time
// tells any more.
func (n *NotifierExecutor) meet(ctx context.Context, x flyte.Execution, asked time.Time) error {
	w, err := n.store.Register(ctx, store.Watch{
		ID: NewID("w", "subscribed|"+x.ID.Org+"|"+x.ID.String()), Kind: store.Follow, State: store.Active,
		Execution: x.ID, CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("watch %s: %w", x.ID, err)
	}
	if w.State != store.Active || w.Phase != "" {
		return nil // it was met before
	}
	now := time.Now().UTC()
	fresh := now.Sub(asked) <= n.cfg.Feed.Overlap/2
	if f := (Facts{Execution: x}); fresh && !flyte.Terminal(x.Phase) && !n.selected(x).happen(f, now) {
		err = n.enter(ctx, w, f, now)
	} else {
		_, err = n.refresh(ctx, x.ID, []store.Watch{w})
	}
	if err != nil && ctx.Err() == nil {
		n.log.WarnContext(ctx, "a new execution is not judged yet", "execution", x.ID.String(), "error", err) // a later first look does
	}
	return nil
}

// load reads where the last holder of the scope came to.
func (x *discovery) load(ctx context.Context, n *NotifierExecutor, born time.Time) error {
	key := x.scope.Org + "/" + x.scope.String()
	found, err := n.store.Notes(ctx, noteDiscovery, []string{key})
	if err != nil {
		return fmt.Errorf("read what is known of %s: %w", x.scope, err)
	}
	x.note = store.Note{Kind: noteDiscovery, Key: key}
	x.known = born
	if len(found) == 0 {
		return nil
	}
	x.note = found[0]
	if err := json.Unmarshal(x.note.Body, &x.known); err != nil {
		return fmt.Errorf("read what is known of %s: %w", x.scope, err)
	}
	x.saved = x.known
	if away := time.Since(x.known); away > lateAfter {
		n.log.WarnContext(ctx, "catching up with executions that were started while no server looked", "scope", x.scope.String(), "since", x.known, "for", away.Round(time.Second))
	}
	return nil
}

// save records what is known, for who discovers the scope next. A server that was slower gives it up.
func (x *discovery) save(ctx context.Context, n *NotifierExecutor) error {
	if ahead := x.known.Sub(x.saved); ahead < saveEvery && ahead >= 0 {
		return nil
	}
	body, err := json.Marshal(x.known)
	if err != nil {
		return fmt.Errorf("keep what is known of %s: %w", x.scope, err)
	}
	note := x.note
	note.Body = body
	err = n.store.Write(ctx, store.Change{At: x.known, Notes: []store.Note{note}})
	if errors.Is(err, store.ErrConflict) {
		x.known = time.Time{} // another server was here: go on from its note
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep what is known of %s: %w", x.scope, err)
	}
	x.saved = x.known
	x.note.Version++
	return nil
}

// forget drops the names that no window reaches back to any more.
func (x *discovery) forget(before time.Time) {
	maps.DeleteFunc(x.seen, func(_ string, created time.Time) bool { return created.Before(before) })
}
