package executor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	holdEvery   = time.Second
	findTimeout = 2 * time.Second // for the shards there are
	holdTimeout = 3 * time.Second // then others may hold what we did
	rejoinFirst = 500 * time.Millisecond
	rejoinMost  = 5 * time.Second
)

// holding is what this server holds of all shards.
type holding struct {
	shards map[flyte.Scope][]flyte.Shard
}

func newHolding(held []flyte.Shard) *holding {
	h := &holding{shards: map[flyte.Scope][]flyte.Shard{}}
	for _, s := range held {
		h.shards[s.Scope] = append(h.shards[s.Scope], s)
	}
	return h
}

func (h *holding) has(id flyte.ExecutionID) bool {
	for _, s := range h.shards[id.Scope] {
		if s.Has(id.Name) {
			return true
		}
	}
	return false
}

// first says whether this server holds the first shard of a scope, whose holder looks for new executions.
func (h *holding) first(scope flyte.Scope) bool {
	return slices.ContainsFunc(h.shards[scope], func(s flyte.Shard) bool { return s.Index == 0 })
}

// share is this server's part in the watching: whenever it is over, it begins anew.
func (n *NotifierExecutor) share(ctx context.Context) error {
	pause := rejoinFirst
	for {
		began := time.Now()
		err := n.member(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n.log.WarnContext(ctx, "no shards are held any more; joining again", "error", err)
		if time.Since(began) > rejoinMost {
			pause = rejoinFirst
		}
		if err := sleep(ctx, pause/2+rand.N(pause)); err != nil { //nolint:gosec // jitter is no secret
			return err
		}
		pause = min(2*pause, rejoinMost)
	}
}

// member joins, and follows what this server holds until ctx or the membership ends.
func (n *NotifierExecutor) member(ctx context.Context) error {
	joinCtx, cancel := context.WithTimeout(ctx, rejoinMost)
	m, err := n.store.Join(joinCtx)
	cancel()
	if err != nil {
		return fmt.Errorf("join the servers of the store: %w", err)
	}
	f := &followers{n: n, running: map[flyte.Shard]follower{}}
	defer f.stop()
	defer m.Leave() // before anything else, so that others go on at once
	var all []flyte.Shard
	for {
		if all, err = n.hold(ctx, m, all, f); err != nil {
			return err
		}
		n.split(ctx)
		if err := sleep(ctx, holdEvery); err != nil {
			return err
		}
	}
}

// hold looks at the shards there are and follows this server's. While the store cannot tell them, it
// goes by what there was.
func (n *NotifierExecutor) hold(ctx context.Context, m store.Membership, all []flyte.Shard, f *followers) ([]flyte.Shard, error) {
	findCtx, found := context.WithTimeout(ctx, findTimeout)
	now, err := n.store.Shards(findCtx)
	found()
	if err == nil {
		all = now
	} else if ctx.Err() == nil {
		n.log.WarnContext(ctx, "shards cannot be found", "error", err)
	}
	holdCtx, cancel := context.WithTimeout(ctx, holdTimeout) // of its own: a slow answer must not cost what is held
	defer cancel()
	held, members, err := m.Hold(holdCtx, n.discoveryShards(all))
	if err != nil {
		return all, fmt.Errorf("hold shards: %w", err)
	}
	n.holding.Store(newHolding(held))
	n.heldOnce.Do(func() { close(n.held) })
	n.paceNodes(members)
	f.follow(ctx, slices.DeleteFunc(held, func(s flyte.Shard) bool { return !slices.Contains(all, s) })) // others hold nothing to follow
	return all, nil
}

// paceNodes takes this server's part of the calls for nodes.
func (n *NotifierExecutor) paceNodes(members int) {
	calls := n.cfg.NodeCalls / float64(max(members, 1))
	if limit := rate.Limit(calls); limit != n.nodeCalls.Limit() {
		n.nodeCalls.SetLimit(limit)
		n.nodeCalls.SetBurst(max(1, int(calls)))
	}
}

// split gives the scopes whose shards have grown too large more of them.
func (n *NotifierExecutor) split(ctx context.Context) {
	for _, s := range n.feed.Stats().Shards {
		of := n.shardsFor(s)
		if of == s.Shard.Of {
			continue
		}
		if err := n.store.Split(ctx, s.Shard.Scope, of); err != nil {
			n.log.WarnContext(ctx, "scope cannot be split", "shard", s.Shard.String(), "of", of, "error", err)
			continue
		}
		n.log.InfoContext(ctx, "scope is split", "scope", s.Shard.Scope.String(), "shards", of, "names", s.Names*s.Shard.Of)
	}
}

// shardsFor returns how many shards a scope should have of which one has so many names.
func (n *NotifierExecutor) shardsFor(s flyte.ShardStats) int {
	of, names := s.Shard.Of, s.Names
	for names > n.cfg.ShardNames && of < flyte.Buckets {
		of, names = of*2, names/2
	}
	return of
}

// followers are the feeds of the shards that are held.
type followers struct {
	n       *NotifierExecutor
	running map[flyte.Shard]follower
	wg      sync.WaitGroup
}

type follower struct {
	cancel context.CancelFunc
	done   <-chan struct{}
}

// follow starts and stops feeds, so that there is one for each of these shards. One that ended by
// itself is started anew.
func (f *followers) follow(ctx context.Context, held []flyte.Shard) {
	keep := make(map[flyte.Shard]bool, len(held))
	for _, s := range held {
		keep[s] = true
	}
	for s, r := range f.running {
		select {
		case <-r.done:
		default:
			if keep[s] {
				continue
			}
		}
		r.cancel()
		delete(f.running, s)
	}
	for _, s := range held {
		if _, ok := f.running[s]; ok {
			continue
		}
		done := make(chan struct{})
		feedCtx, cancel := context.WithCancel(ctx)
		f.running[s] = follower{cancel: cancel, done: done}
		f.wg.Go(func() {
			defer close(done)
			f.n.followShard(feedCtx, s)
		})
	}
}

// stop ends all feeds: nothing is held any more.
func (f *followers) stop() {
	f.n.holding.Store(newHolding(nil))
	for _, r := range f.running {
		r.cancel()
	}
	f.wg.Wait()
}

// followShard polls a shard from where its last holder came to, until ctx ends or another holds it.
func (n *NotifierExecutor) followShard(ctx context.Context, s flyte.Shard) {
	epoch, cursor, err := n.store.Claim(ctx, s)
	if err == nil {
		err = n.feed.Run(ctx, s, flyte.Tenure{Cursor: cursor, Advance: func(ctx context.Context, c flyte.Cursor) error {
			err := n.store.Advance(ctx, s, epoch, c)
			if errors.Is(err, store.ErrConflict) {
				return flyte.ErrFenced
			}
			return err
		}})
	}
	if err != nil && ctx.Err() == nil {
		n.log.InfoContext(ctx, "shard is not followed any more", "shard", s.String(), "error", err)
	}
}
