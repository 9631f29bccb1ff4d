package storetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// tenureModel is what a scope's shards ought to be: how many, and of each bucket the last cursor
// taken. A cursor is told by its seconds past start.
type tenureModel struct {
	scope flyte.Scope
	of    int
	taken [flyte.Buckets]int // 0: nothing
	held  map[flyte.Shard]int64
	old   []tenureOf // that are over
}

type tenureOf struct {
	shard flyte.Shard
	epoch int64
}

// modelTenures lets holders come, go on, be overtaken and split a scope in any order: at no time does
// a tenure that is over change anything, and no cursor is lost.
func modelTenures(t *testing.T, r *rapid.T, s store.Store, run string) {
	m := &tenureModel{scope: flyte.Scope{Project: run, Domain: "d"}, of: 1, held: map[flyte.Shard]int64{}}
	for step := range rapid.IntRange(1, 25).Draw(r, "steps") {
		sh := flyte.Shard{Scope: m.scope, Index: rapid.IntRange(0, m.of-1).Draw(r, "shard"), Of: m.of}
		switch rapid.IntRange(0, 5).Draw(r, "what") {
		case 0, 1:
			m.claim(t, r, s, sh)
		case 2, 3:
			m.advance(t, r, s, sh, step+1)
		case 4:
			m.overtaken(t, r, s)
		case 5:
			if m.of < 16 && rapid.Bool().Draw(r, "split") {
				m.split(t, r, s, m.of<<rapid.IntRange(0, 2).Draw(r, "more"))
			}
		}
	}
}

func (m *tenureModel) claim(t *testing.T, r *rapid.T, s store.Store, sh flyte.Shard) {
	epoch, c, err := s.Claim(t.Context(), sh)
	require.NoError(r, err)
	if last, ok := m.held[sh]; ok {
		require.Greater(r, epoch, last)
		m.old = append(m.old, tenureOf{sh, last})
	}
	m.held[sh] = epoch
	first, _ := sh.Range()
	if m.taken[first] == 0 {
		require.Zero(r, c)
		return
	}
	requireCursor(r, taken(m.taken[first]), c)
}

// advance is one by the shard's holder, if there is one.
func (m *tenureModel) advance(t *testing.T, r *rapid.T, s store.Store, sh flyte.Shard, seconds int) {
	epoch, ok := m.held[sh]
	if !ok {
		return
	}
	require.NoError(r, s.Advance(t.Context(), sh, epoch, taken(seconds)))
	m.record(sh, seconds)
}

func (m *tenureModel) record(sh flyte.Shard, seconds int) {
	from, to := sh.Range()
	for b := from; b < to; b++ {
		m.taken[b] = seconds
	}
}

func (m *tenureModel) overtaken(t *testing.T, r *rapid.T, s store.Store) {
	if len(m.old) == 0 {
		return
	}
	o := rapid.SampledFrom(m.old).Draw(r, "old")
	require.ErrorIs(r, s.Advance(t.Context(), o.shard, o.epoch, taken(999)), store.ErrConflict, fmt.Sprint(o))
}

func (m *tenureModel) split(t *testing.T, r *rapid.T, s store.Store, of int) {
	require.NoError(r, s.Split(t.Context(), m.scope, of))
	if of == m.of {
		return
	}
	for index := range m.of {
		sh := flyte.Shard{Scope: m.scope, Index: index, Of: m.of}
		if epoch, ok := m.held[sh]; ok {
			m.old = append(m.old, tenureOf{sh, epoch})
		}
	}
	m.of, m.held = of, map[flyte.Shard]int64{}
}
