package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
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
	newScope       = 24 * time.Hour   // of a scope that was never looked at: a pattern that was widened tells nothing older
	saveEvery      = 5 * time.Second  // what is known is recorded, at most
	lateAfter      = 15 * time.Minute // what happened longer ago is caught up with
	quietShare     = 20               // a scope that was quiet for so long is asked for new executions after this part of it
)

// discovery finds a scope's new executions. While it is busy, nobody but the look that is under way uses it.
type discovery struct {
	scope flyte.Scope
	busy  atomic.Bool
	subs  *[]subscription // when it looked last; nil: nobody knows what was gone by
	note  store.Note
	known time.Time            // up to when executions are known; zero: the note was not read yet
	saved time.Time            // known, as the note has it
	swept time.Time            // when it last looked far back
	found time.Time            // when it last found one
	next  time.Time            // when to look again
	seen  map[string]time.Time // names that were seen to, with their creation

	silent bool // the last look failed, and took long to
}

// look finds what was created in the scope since the last look, and a while before it: an execution becomes
// visible later than the time of its creation. Now and then it looks further back.
func (x *discovery) look(ctx context.Context, n *NotifierExecutor, subs *[]subscription) error {
	now := time.Now().UTC()
	born := n.scopes()[x.scope]
	if x.known.IsZero() {
		if err := x.load(ctx, n, latest(born, now.Add(-newScope))); err != nil {
			return err
		}
		x.subs, x.swept = nil, time.Time{} // what was seen late by who looked before is found now or never
	}
	x.notice(subs)
	from := x.known.Add(-n.cfg.Feed.Overlap)
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

// notice has everything looked at again that was created since a subscription came that is new here: what nobody
// selected before was passed by. Who looked before may not have known of one that came lately.
func (x *discovery) notice(now *[]subscription) {
	if now == x.subs {
		return
	}
	knew, first := map[string]bool{}, x.known
	if x.subs != nil {
		for _, s := range *x.subs {
			knew[s.set.key] = true
		}
	}
	for _, s := range *now {
		lately := x.subs != nil || s.set.came.After(x.known.Add(-keepsBirth))
		if lately && !knew[s.set.key] && s.Match.Scoped(x.scope.Project, x.scope.Domain) {
			first = earliest(first, s.set.came)
		}
	}
	clear(x.seen)
	x.subs, x.known, x.swept = now, first, time.Time{}
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
		if middle.Before(now) && middle.After(x.known) { // a look begins before what is known
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
		sets := n.selected(e)
		if len(sets) == 0 {
			x.seen[e.ID.Name] = e.CreatedAt
			continue
		}
		if !e.EndedAt.IsZero() {
			if err := n.enroll(ctx, e, sets, asked); err != nil {
				errs = append(errs, err)
				continue
			}
			x.seen[e.ID.Name] = e.CreatedAt
			continue
		}
		met.Go(func() error { return n.enroll(ctx, e, sets, asked) })
	}
	err := errors.Join(append(errs, met.Wait())...)
	if err == nil {
		for _, e := range found {
			x.seen[e.ID.Name] = e.CreatedAt
		}
	}
	return err
}

// enroll registers the watch of an execution that subscriptions select, and judges it by what the list told. Where that
// is long ago, since much is caught up with, flyteadmin is asked again: of a change right after the list no read by time
// tells any more.
func (n *NotifierExecutor) enroll(ctx context.Context, x flyte.Execution, sets rulesets, asked time.Time) error {
	w, err := n.store.Register(ctx, store.Watch{
		ID: store.NewID("w", "subscribed|"+x.ID.Org+"|"+x.ID.String()), Kind: store.Follow, State: store.Active,
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
	if f := (Facts{Execution: x}); fresh && !flyte.Terminal(x.Phase) && !sets.happen(f, now) {
		err = n.enter(ctx, w, f, sets, now)
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
