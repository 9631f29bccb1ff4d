package metered_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/metered"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

func open(t *testing.T) *sqlite.Store {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "notifier.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// What goes through comes out as it went in, errors and all.
func TestNothingIsChanged(t *testing.T) {
	t.Parallel()
	s, ctx, now := metered.Wrap(open(t), prometheus.NewRegistry()), t.Context(), time.Now().UTC().Truncate(time.Second)
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "x"}
	w, err := s.Register(ctx, store.Watch{ID: "w", Kind: store.Follow, Execution: id, CreatedAt: now})
	require.NoError(t, err)
	names, err := s.Names(ctx, flyte.Shard{Scope: id.Scope, Of: 1}, now, "", 10)
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, names)
	d := store.Delivery{ID: "d", WatchID: "w", Connection: "team", Address: "#ml", NextAt: now, CreatedAt: now}
	require.NoError(t, s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	require.ErrorIs(t, s.Move(ctx, store.Transition{Watch: w}), store.ErrConflict)
	oldest, err := s.OldestDue(ctx, now)
	require.NoError(t, err)
	require.Equal(t, now, oldest)
	rate := store.Rate{Bucket: "b", PerSecond: 1, Burst: 1}
	wait, err := s.Begin(ctx, "d", 0, now, []store.Rate{rate})
	require.NoError(t, err)
	require.Zero(t, wait)
	require.NoError(t, s.Settle(ctx, "d", store.Outcome{Attempt: 1, State: store.Pending, NextAt: now, At: now}))
	wait, err = s.Begin(ctx, "d", 1, now, []store.Rate{rate})
	require.NoError(t, err)
	require.Equal(t, time.Second, wait)
	_, err = s.Watch(ctx, "none")
	require.ErrorIs(t, err, store.ErrNotFound)
	watches, deliveries, err := s.Counts(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, watches[store.Active])
	require.Equal(t, 1, deliveries[store.Pending])
}

// fake fails with err, and answers zeros without one.
type fake struct {
	store.Store
	err error
}

func (f *fake) Register(context.Context, store.Watch) (store.Watch, error) {
	return store.Watch{}, f.err
}

func (f *fake) Join(context.Context) (store.Membership, error)                { return &member{f}, nil }
func (f *fake) Recover(context.Context, time.Time) (int, error)               { return 3, nil }
func (f *fake) Interrupt(context.Context, string, time.Time, time.Time) error { return f.err }
func (f *fake) WorkAlso([]string)                                             {}
func (f *fake) Work(context.Context, []string, time.Duration, func(context.Context, store.Delivery) time.Duration) error {
	return nil
}

type member struct{ f *fake }

func (m *member) Hold(_ context.Context, all []flyte.Shard) ([]flyte.Shard, int, error) {
	return all[:1], 3, m.f.err
}
func (m *member) Leave() {}

func value(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "flyte_notifier_"+name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// early is a store whose engine's clock is ahead.
type early struct{ fake }

func (*early) Skew() time.Duration { return 1500 * time.Millisecond }

func TestTheClockOfTheEngine(t *testing.T) {
	t.Parallel()
	for want, s := range map[float64]store.Store{0: &fake{}, 1.5: &early{}} {
		reg := prometheus.NewRegistry()
		metered.Wrap(s, reg)
		require.InDelta(t, want, value(t, reg, "store_clock_skew_seconds"), 0)
	}
}

func TestOnlyFailuresAreErrors(t *testing.T) {
	t.Parallel()
	reg, f := prometheus.NewRegistry(), &fake{}
	s := metered.Wrap(f, reg)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		ctx               context.Context
		err               error
		errors, conflicts float64
	}{
		{t.Context(), nil, 0, 0},
		{t.Context(), store.ErrNotFound, 0, 0},
		{t.Context(), store.ErrConflict, 0, 1},
		{canceled, context.Canceled, 0, 1},
		{t.Context(), errors.New("disk is full"), 1, 1},
		{t.Context(), context.DeadlineExceeded, 2, 1},
	} {
		f.err = tc.err
		_, err := s.Register(tc.ctx, store.Watch{})
		require.Equal(t, tc.err, err)
		require.Equal(t, tc.errors, value(t, reg, "store_errors_total"), "%v", tc.err)
		require.Equal(t, tc.conflicts, value(t, reg, "store_conflicts_total"), "%v", tc.err)
	}
	require.EqualValues(t, 6, value(t, reg, "store_operation_duration_seconds"))
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestMembership(t *testing.T) {
	t.Parallel()
	reg, f := prometheus.NewRegistry(), &fake{}
	m, err := metered.Wrap(f, reg).Join(t.Context())
	require.NoError(t, err)
	all := []flyte.Shard{{Index: 0, Of: 2}, {Index: 1, Of: 2}}
	shares := func() []float64 {
		return []float64{value(t, reg, "shards_held"), value(t, reg, "shards"), value(t, reg, "members")}
	}
	held, members, err := m.Hold(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, all[:1], held)
	require.Equal(t, 3, members)
	require.Equal(t, []float64{1, 2, 3}, shares())
	f.err = errors.New("connection lost")
	_, _, err = m.Hold(t.Context(), all)
	require.ErrorIs(t, err, f.err)
	require.Equal(t, []float64{0, 2, 0}, shares())
	f.err = nil
	_, _, err = m.Hold(t.Context(), all)
	require.NoError(t, err)
	m.Leave()
	require.Equal(t, []float64{0, 0, 0}, shares())
}

func TestAQueueStaysOne(t *testing.T) {
	t.Parallel()
	reg, f := prometheus.NewRegistry(), &fake{}
	s := metered.Wrap(f, reg)
	q, ok := s.(store.Queue)
	require.True(t, ok)
	require.NoError(t, q.Work(t.Context(), nil, time.Second, nil))
	require.NoError(t, q.Interrupt(t.Context(), "d1", time.Now(), time.Now()))
	_, err := s.Recover(t.Context(), time.Now())
	require.NoError(t, err)
	require.EqualValues(t, 4, value(t, reg, "interrupted_attempts_total"))
	f.err = store.ErrConflict
	require.ErrorIs(t, q.Interrupt(t.Context(), "d1", time.Now(), time.Now()), store.ErrConflict)
	require.EqualValues(t, 4, value(t, reg, "interrupted_attempts_total"))

	_, ok = metered.Wrap(open(t), prometheus.NewRegistry()).(store.Queue)
	require.False(t, ok, "SQLite is none")
}

// Every operation is measured: a port that grows must not leave its new method out.
func TestEveryOperationIsMeasured(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s := reflect.ValueOf(metered.Wrap(open(t), reg))
	ports := reflect.TypeFor[store.Store]()
	unmeasured := map[string]bool{"Close": true, "Deliveries": true, "Watches": true}
	for i := range ports.NumMethod() {
		name := ports.Method(i).Name
		if unmeasured[name] {
			continue
		}
		before := value(t, reg, "store_operation_duration_seconds")
		call(t, s.MethodByName(name))
		require.Equal(t, before+1, value(t, reg, "store_operation_duration_seconds"), name)
	}
}

// call calls a method with a context and zeros.
func call(t *testing.T, method reflect.Value) {
	args := []reflect.Value{reflect.ValueOf(t.Context())}
	for i := 1; i < method.Type().NumIn(); i++ {
		arg := reflect.New(method.Type().In(i)).Elem()
		if shard, ok := arg.Addr().Interface().(*flyte.Shard); ok {
			*shard = flyte.Shard{Scope: flyte.Scope{Project: "ml", Domain: strings.Repeat("d", i)}, Of: 1}
		}
		args = append(args, arg)
	}
	method.Call(args)
}
