package executor

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

const (
	projectsEvery    = time.Minute
	projectsPatience = time.Second // for their list; those that are known do meanwhile
	silentAfter      = factsTimeout / 2
	silentLooks      = 4 // at scopes that were silent, at once
)

// discoverer finds new executions of all scopes that subscriptions select and this server holds. A scope that is
// slow, or does not answer, keeps none of the others waiting.
type discoverer struct {
	n      *NotifierExecutor
	scopes map[flyte.Scope]*discovery
	looks  sync.WaitGroup // and lists of projects
	slots  chan struct{}  // one for each look that asks flyteadmin
	doubts chan struct{}  // in their place for scopes that were silent at the last look

	subs     *[]subscription  // by which selected was made,
	listed   *[]flyte.Project // and these
	selected map[flyte.Scope]time.Time

	asked    time.Time // for projects
	asking   atomic.Bool
	answered atomic.Bool // the last time
	projects atomic.Pointer[[]flyte.Project]
}

func newDiscoverer(n *NotifierExecutor) *discoverer {
	return &discoverer{n: n, scopes: map[flyte.Scope]*discovery{}, slots: make(chan struct{}, readers), doubts: make(chan struct{}, silentLooks)}
}

// run discovers until ctx ends, and all that it began has ended.
func (d *discoverer) run(ctx context.Context) error {
	defer d.looks.Wait()
	return d.n.onceHeld(ctx, d.n.cfg.Feed.Interval, d.discover)
}

// discover begins a look for new executions of each scope that it is time for, and waits for none.
func (d *discoverer) discover(ctx context.Context) error {
	subs := d.n.subscribed.Load()
	if subs == nil {
		return nil
	}
	d.list(ctx, *subs)
	d.selects(subs)
	held, now := d.n.holding.Load(), time.Now().UTC()
	maps.DeleteFunc(d.scopes, func(scope flyte.Scope, x *discovery) bool {
		_, selected := d.selected[scope]
		return !x.busy.Load() && (!selected || !held.first(scope)) // who holds it goes on from the note
	})
	for scope := range d.selected {
		if !held.first(scope) || !d.n.pauses.over(scope) {
			continue
		}
		x := d.scopes[scope]
		if x == nil {
			x = &discovery{scope: scope, seen: map[string]time.Time{}, found: now}
			d.scopes[scope] = x
		}
		if x.busy.Load() || x.subs == subs && now.Before(x.next) {
			continue
		}
		x.busy.Store(true)
		d.looks.Go(func() {
			defer x.busy.Store(false)
			d.look(ctx, x, subs)
		})
	}
	return nil
}

// look looks at one scope, when its turn has come. Those that were silent take turns of their own: many of
// them would leave none to those that answer.
func (d *discoverer) look(ctx context.Context, x *discovery, subs *[]subscription) {
	slots := d.slots
	if x.silent {
		slots = d.doubts
	}
	select {
	case <-ctx.Done():
		return
	case slots <- struct{}{}:
	}
	began := time.Now()
	err := x.look(ctx, d.n, subs)
	<-slots
	x.silent = err != nil && time.Since(began) >= silentAfter
	d.n.pauses.note(x.scope, d.n.cfg.Feed.Interval, err)
	if err != nil && ctx.Err() == nil {
		d.n.log.WarnContext(ctx, "discovery is held up", "scope", x.scope.String(), "error", err)
	}
}

// list asks for the projects there are, if a pattern of a subscription needs them.
func (d *discoverer) list(ctx context.Context, subs []subscription) {
	every := d.n.cfg.Feed.Interval / 2
	if d.answered.Load() {
		every = projectsEvery
	}
	if d.asking.Load() || time.Since(d.asked) < every || !slices.ContainsFunc(subs, func(s subscription) bool { _, one := s.scope(); return !one }) {
		return
	}
	d.asked = time.Now()
	d.asking.Store(true)
	done := make(chan struct{})
	d.looks.Go(func() {
		defer close(done)
		defer d.asking.Store(false)
		d.ask(ctx)
	})
	patience := time.NewTimer(projectsPatience)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
	}
}

func (d *discoverer) ask(ctx context.Context) {
	callCtx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	projects, err := d.n.admin.Projects(callCtx)
	d.answered.Store(err == nil)
	if err == nil {
		d.projects.Store(&projects)
	} else if ctx.Err() == nil {
		d.n.log.WarnContext(ctx, "projects of subscriptions cannot be listed", "error", err)
	}
}

// selects finds what subscriptions select, once for as long as that is the same.
func (d *discoverer) selects(subs *[]subscription) {
	listed := d.projects.Load()
	if d.selected != nil && d.subs == subs && d.listed == listed {
		return
	}
	d.subs, d.listed = subs, listed
	selected := selectedScopes(*subs, listed)
	d.selected = selected
	d.n.discovering.Store(&selected)
}

// scope is the one that a subscription selects, if it is one.
func (s subscription) scope() (flyte.Scope, bool) {
	scope := flyte.Scope{Project: s.Match.Project, Domain: s.Match.Domain}
	return scope, s.Match.OneScope()
}

// selectedScopes are all scopes that subscriptions select, with the birth of the oldest of those.
func selectedScopes(subs []subscription, projects *[]flyte.Project) map[flyte.Scope]time.Time {
	all := map[flyte.Scope]time.Time{}
	add := func(scope flyte.Scope, s subscription) {
		all[scope] = earliest(all[scope], s.set.born)
	}
	for _, s := range subs {
		if scope, one := s.scope(); one {
			add(scope, s)
			continue
		}
		if projects == nil {
			continue // nobody knows them yet
		}
		for _, p := range *projects {
			for _, domain := range p.Domains {
				if s.Match.Scoped(p.ID, domain) {
					add(flyte.Scope{Project: p.ID, Domain: domain}, s)
				}
			}
		}
	}
	for scope := range all { // also of those by a pattern, while nobody knows the projects: none is passed by
		for _, s := range subs {
			if _, one := s.scope(); !one && s.Match.Scoped(scope.Project, scope.Domain) {
				add(scope, s)
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
