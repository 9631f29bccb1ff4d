package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// runModels compares an engine with simple models over many made-up histories. All histories of a
// test share one store, each with ids of its own, since opening one takes longer than a history.
func runModels(t *testing.T, open func(t *testing.T) store.Store) {
	t.Run("tokens", func(t *testing.T) {
		t.Parallel()
		s, run := open(t), 0
		rapid.Check(t, func(r *rapid.T) { run++; modelTokens(t, r, s, fmt.Sprintf("r%d", run)) })
	})
	t.Run("order", func(t *testing.T) {
		t.Parallel()
		s, run := open(t), 0
		rapid.Check(t, func(r *rapid.T) { run++; modelOrder(t, r, s, fmt.Sprintf("r%d", run)) })
	})
	t.Run("tenures", func(t *testing.T) {
		t.Parallel()
		s, run := open(t), 0
		rapid.Check(t, func(r *rapid.T) { run++; modelTenures(t, r, s, fmt.Sprintf("r%d", run)) })
	})
	t.Run("notes", func(t *testing.T) {
		t.Parallel()
		s, run := open(t), 0
		rapid.Check(t, func(r *rapid.T) { run++; modelNotes(t, r, s, fmt.Sprintf("r%d", run)) })
	})
	t.Run("replays", func(t *testing.T) {
		t.Parallel()
		s, run := open(t), 0
		rapid.Check(t, func(r *rapid.T) { run++; modelReplays(t, r, s, fmt.Sprintf("r%d", run)) })
	})
}

// oracle is the token bucket of the textbooks.
type oracle struct {
	tokens float64
	last   time.Time
}

func (o *oracle) at(now time.Time, r store.Rate) float64 {
	return min(float64(r.Burst), o.tokens+now.Sub(o.last).Seconds()*r.PerSecond)
}

func modelTokens(t *testing.T, r *rapid.T, s store.Store, id string) {
	rate := store.Rate{
		Bucket:    id,
		PerSecond: rapid.Float64Range(0.01, 50).Draw(r, "per second"),
		Burst:     rapid.IntRange(1, 10).Draw(r, "burst"),
	}
	now := start()
	o := &oracle{tokens: float64(rate.Burst), last: now}
	ids := numbered(id+"-", rapid.IntRange(1, 15).Draw(r, "sends"))
	var all []store.Delivery
	for _, sent := range ids {
		all = append(all, delivery(sent, id))
	}
	insert(t, s, id, all...)
	for _, d := range all {
		now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(r, "pause")))
		wait, err := s.Begin(t.Context(), d.ID, 0, now, []store.Rate{rate})
		require.NoError(r, err)

		tokens := o.at(now, rate)
		const slack = 1e-6 // of a token: the oracle rounds
		if wait == 0 {
			require.GreaterOrEqual(r, tokens, 1-slack)
			o.tokens, o.last = tokens-1, now
			continue
		}
		require.Less(r, tokens, 1+slack)
		require.InDelta(r, (1-tokens)/rate.PerSecond, wait.Seconds(), 1e-4)
		if rapid.Bool().Draw(r, "wait") {
			now = now.Add(wait)
			wait, err = s.Begin(t.Context(), d.ID, 0, now, []store.Rate{rate})
			require.NoError(r, err)
			require.Zero(r, wait, "who waits as long as told is let through")
			o.tokens, o.last = o.at(now, rate)-1, now
		}
	}
}

// outboxModel is what Due and Lanes ought to say, worked out from all deliveries.
type outboxModel struct {
	order []string // ids in order of creation
	all   map[string]store.Delivery
}

func (m *outboxModel) due(l store.Lane, now time.Time) []string {
	due := []string{}
	waiting := map[string]bool{}
	for _, id := range m.order {
		d := m.all[id]
		if d.State != store.Pending || d.Connection != l.Connection || d.Address != l.Address {
			continue
		}
		if !waiting[d.WatchID] && d.OpenedAt.IsZero() && !d.NextAt.After(now) {
			due = append(due, id)
		}
		waiting[d.WatchID] = true
	}
	return due
}

// modelOrder does random writes to a few deliveries of two lanes, and looks after each.
func modelOrder(t *testing.T, r *rapid.T, s store.Store, run string) {
	m := &outboxModel{all: map[string]store.Delivery{}}
	two := []store.Lane{{Connection: run, Address: "#a"}, {Connection: run, Address: "#b"}}
	steps := map[string]func(now time.Time){
		"insert":    func(now time.Time) { m.insert(t, r, s, run, two, now) },
		"begin":     func(now time.Time) { m.begin(t, r, s, now) },
		"settle":    func(now time.Time) { m.settle(t, r, s, now) },
		"redrive":   func(now time.Time) { m.redrive(t, r, s, now) },
		"release":   func(now time.Time) { m.release(t, r, s, now) },
		"supersede": func(now time.Time) { m.supersede(t, r, s, now) },
	}
	now := start()
	for range rapid.IntRange(1, 20).Draw(r, "steps") {
		now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(r, "seconds")) * time.Second)
		steps[rapid.SampledFrom(slices.Sorted(maps.Keys(steps))).Draw(r, "step")](now)
		for _, l := range two {
			require.Equal(r, m.due(l, now), dueIDs(t, s, l, now, 100))
		}
	}
	told := lanes(t, s, now)
	for _, l := range two {
		require.Equal(r, len(m.due(l, now)) > 0, slices.Contains(told, l))
	}
	got := map[string]store.Delivery{}
	for _, d := range listDeliveries(t, s, store.Filter{IDs: append(slices.Clone(m.order), "none")}) {
		got[d.ID] = d
	}
	equal(t, m.all, got)
}

func (m *outboxModel) insert(t *testing.T, r *rapid.T, s store.Store, run string, two []store.Lane, now time.Time) {
	watchID := run + rapid.SampledFrom([]string{"-v", "-w"}).Draw(r, "watch")
	var batch []store.Delivery
	for range rapid.IntRange(1, 3).Draw(r, "deliveries") {
		l := rapid.SampledFrom(two).Draw(r, "lane")
		next := now.Add(time.Duration(rapid.IntRange(-2, 3).Draw(r, "next")) * time.Second)
		d := delivery(fmt.Sprintf("%s-%d", run, len(m.order)), watchID, to(l.Connection, l.Address), at(next))
		if rapid.IntRange(0, 4).Draw(r, "dead") == 0 {
			d.State, d.SettledAt = store.Dead, now
		} else if rapid.IntRange(0, 3).Draw(r, "held") == 0 {
			d.State, d.Bundle, d.HeldUntil = store.Held, run, next
		}
		m.order, m.all[d.ID] = append(m.order, d.ID), d
		batch = append(batch, d)
	}
	insert(t, s, watchID, batch...)
}

// pick draws one delivery that is as wanted, if there is one.
func (m *outboxModel) pick(r *rapid.T, wanted func(store.Delivery) bool) (store.Delivery, bool) {
	ids := slices.DeleteFunc(slices.Clone(m.order), func(id string) bool { return !wanted(m.all[id]) })
	if len(ids) == 0 {
		return store.Delivery{}, false
	}
	return m.all[rapid.SampledFrom(ids).Draw(r, "delivery")], true
}

func (m *outboxModel) begin(t *testing.T, r *rapid.T, s store.Store, now time.Time) {
	d, ok := m.pick(r, func(d store.Delivery) bool { return d.State == store.Pending && d.OpenedAt.IsZero() })
	if !ok {
		return
	}
	begin(t, s, d.ID, d.Attempts, now)
	d.Attempts, d.OpenedAt = d.Attempts+1, now
	m.all[d.ID] = d
}

func (m *outboxModel) settle(t *testing.T, r *rapid.T, s store.Store, now time.Time) {
	d, ok := m.pick(r, func(d store.Delivery) bool { return d.State == store.Pending })
	if !ok {
		return
	}
	states := []store.DeliveryState{store.Pending, store.Delivered, store.Dead, store.Silenced}
	o := store.Outcome{
		State:   rapid.SampledFrom(states).Draw(r, "state"),
		Unknown: rapid.Bool().Draw(r, "unknown"),
		NextAt:  now.Add(2 * time.Second), At: now,
		LastError: fmt.Sprint("at ", now),
	}
	if !d.OpenedAt.IsZero() {
		o.Attempt = d.Attempts
	}
	repeated := o.State == store.Pending && d.OpenedAt.IsZero() && d.NextAt.Equal(o.NextAt) && d.LastError == o.LastError
	require.NoError(r, s.Settle(t.Context(), d.ID, o))
	if repeated {
		return
	}
	if o.Unknown && d.UnknownAt.IsZero() {
		d.UnknownAt = now
		if !d.OpenedAt.IsZero() {
			d.UnknownAt = d.OpenedAt
		}
	}
	d.State, d.OpenedAt, d.LastError = o.State, time.Time{}, o.LastError
	if o.State == store.Pending {
		d.NextAt = o.NextAt
	} else {
		d.SettledAt, d.NextAt = now, readDelivery(t, s, d.ID).NextAt
	}
	m.all[d.ID] = d
}

func (m *outboxModel) redrive(t *testing.T, r *rapid.T, s store.Store, now time.Time) {
	d, ok := m.pick(r, func(d store.Delivery) bool { return d.State == store.Dead || d.State == store.Silenced })
	if !ok {
		return
	}
	refused, err := s.Redrive(t.Context(), []string{d.ID}, now)
	require.NoError(r, err)
	require.Empty(r, refused)
	d.State, d.NextAt, d.SettledAt, d.Since, d.Spent = store.Pending, now, time.Time{}, now, d.Attempts
	d.HeldUntil, d.Bundle, d.Over = time.Time{}, "", ""
	m.all[d.ID] = d
}

// modelReplays plays the moves of a watch over and over, from any point, as an executor does that
// is killed at any point: each delivery is there once, in order, and a settled one stays settled.
func modelReplays(t *testing.T, r *rapid.T, s store.Store, id string) {
	phases := []string{"QUEUED", "RUNNING", "FAILED"}
	w := register(t, s, watch(id))
	seen := map[string]bool{}
	for range rapid.IntRange(1, 8).Draw(r, "moves") {
		read := readWatch(t, s, id)
		if rapid.IntRange(0, 3).Draw(r, "stale") == 0 {
			read = w
		}
		i := rapid.IntRange(0, len(phases)-1).Draw(r, "phase")
		read.Phase = phases[i]
		d := delivery(id+phases[i], id)
		err := s.Move(t.Context(), store.Transition{Watch: read, Change: store.Change{Deliveries: []store.Delivery{d}}})
		if readWatch(t, s, id).Version == read.Version || err != nil {
			require.ErrorIs(r, err, store.ErrConflict)
			continue
		}
		if !seen[d.ID] && rapid.Bool().Draw(r, "settle") {
			settle(t, s, d.ID, store.Dead, after(1))
		}
		seen[d.ID] = true
	}
	all, err := s.WatchDeliveries(t.Context(), id)
	require.NoError(r, err)
	require.ElementsMatch(r, slices.Collect(maps.Keys(seen)), deliveryIDs(all))
	slices.SortFunc(all, func(a, b store.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	for _, d := range all {
		require.Equal(r, d.State == store.Dead, !d.SettledAt.IsZero())
	}
}
