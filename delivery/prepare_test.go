package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestAConnectionThatDoesNotAllowItKillsTheDelivery(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.conns[0].Allow = notifier.Allow{Destinations: []string{"#ml-*"}}
		b.start()
		ids := b.add("w1", "#general", "#ml-alerts")
		synctest.Wait()
		require.Equal(b.t, store.Dead, b.get(ids[0]).State)
		require.Contains(b.t, b.get(ids[0]).LastError, "#general")
		require.Zero(b.t, b.get(ids[0]).Attempts)
		require.Equal(b.t, store.Delivered, b.get(ids[1]).State)
		b.stop()
		b.conns[0].Allow = notifier.Allow{Scopes: []string{"other/*"}}
		b.start()
		ids = b.add("w2", "#ml-alerts")
		synctest.Wait()
		require.Equal(b.t, store.Dead, b.get(ids[0]).State)
		require.Contains(b.t, b.get(ids[0]).LastError, "ml/production")
	})
}

func TestANameIsResolvedOnceAndJudgedByAllItsNames(t *testing.T) {
	var asked tally
	s := &service{names: func(*place) (notifier.Resolved, error) {
		if asked.note() == 1 {
			return notifier.Resolved{}, errors.New("time-out")
		}
		return notifier.Resolved{ID: "C1", Names: []string{"C1", "#ml-alerts"}}, nil
	}}
	run(t, resolving{s}, func(b *bench) {
		b.conns[0].Allow = notifier.Allow{Destinations: []string{"#ml-*"}}
		b.start()
		first := b.add("w1", "C1")
		b.pass(10 * time.Second)
		b.add("w2", "C1")
		b.pass(10 * time.Second)
		require.Equal(b.t, 2, asked.count(), "a failed look-up is tried again, a good one is kept")
		require.Len(b.t, s.sent(), 2)
		require.Equal(b.t, "C1", s.sent()[0].id)
		require.Equal(b.t, 1, b.get(first[0]).Attempts, "resolving is no send")
	})
}

func TestAnUnknownConnectionKillsTheDelivery(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		b.conns[0].Name = "renamed"
		b.start()
		ids := b.add("w1", "#a")
		synctest.Wait()
		require.Equal(b.t, store.Dead, b.get(ids[0]).State)
		require.Contains(b.t, b.get(ids[0]).LastError, `unknown connection "team"`)
	})
}

func TestATemplateThatFailsNeverLosesTheMessage(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		w, err := b.store.Register(b.t.Context(), store.Watch{ID: "w1", Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC()})
		require.NoError(b.t, err)
		d := b.delivery(w, "d1", "#a")
		d.Content, err = render.Content{
			Data: render.Data{Name: "f1", Phase: "FAILED"}, Template: render.Template{Title: `{{index .Inputs.list 3}}`},
		}.Marshal()
		require.NoError(b.t, err)
		require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
		b.start()
		synctest.Wait()
		got := b.get("d1")
		require.Equal(b.t, store.Delivered, got.State)
		require.NotEmpty(b.t, got.RenderError)
		require.Contains(b.t, s.sent()[0].title, "FAILED", "the default message")
	})
}

func TestADestinationThatCannotBeReadIsDead(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		w, err := b.store.Register(b.t.Context(), store.Watch{ID: "w1", Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC()})
		require.NoError(b.t, err)
		d := b.delivery(w, "d1", "#a")
		d.Destination = json.RawMessage(`{"channel": 5}`)
		require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
		b.start()
		synctest.Wait()
		require.Equal(b.t, store.Dead, b.get("d1").State)
		require.Contains(b.t, b.get("d1").LastError, "channel")
	})
}

func TestRatesOfADestinationAndOfTheConnection(t *testing.T) {
	for name, test := range map[string]struct {
		rate notifier.Rate
		want time.Duration // of 10 deliveries to each of 2 channels
	}{
		"none":        {notifier.Rate{}, 0},
		"destination": {notifier.Rate{PerSecond: 1, Burst: 1}, 9 * time.Second},
		"burst":       {notifier.Rate{PerSecond: 1, Burst: 5}, 5 * time.Second},
		"total":       {notifier.Rate{TotalPerSecond: 2}, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			run(t, s, func(b *bench) {
				b.conns[0].Rate = test.rate
				for i := range 20 {
					b.add(fmt.Sprint("w", i), fmt.Sprint("#", i%2))
				}
				begin := time.Now()
				b.start()
				b.pass(time.Minute)
				sent := s.sent()
				require.Len(b.t, sent, 20)
				delta := 0.2
				if b.queue != nil {
					delta = 0.5 // who finds no token comes back a little later
				}
				require.InDelta(b.t, test.want.Seconds(), sent[19].at.Sub(begin).Seconds(), delta)
				for _, p := range sent {
					require.Equal(b.t, 1, s.found[p.key])
				}
			})
		})
	}
}

// TestANameIsAskedAgainNowAndThen, for a channel that was renamed goes on to take messages, and another may have its name.
func TestANameIsAskedAgainNowAndThen(t *testing.T) {
	var id atomic.Value
	id.Store("C1")
	var fails atomic.Bool
	s := &service{names: func(p *place) (notifier.Resolved, error) {
		if fails.Load() {
			return notifier.Resolved{}, notifier.Permanent.Errorf("missing_scope")
		}
		return notifier.Resolved{ID: id.Load().(string), Names: []string{p.Channel}}, nil
	}}
	run(t, resolving{s}, func(b *bench) {
		b.start()
		for i, step := range []struct {
			after time.Duration
			id    string
			fails bool
			want  string
		}{
			{0, "C1", false, "C1"},
			{50 * time.Minute, "C2", false, "C1"},
			{11 * time.Minute, "C2", false, "C2"},
			{2 * time.Hour, "C3", true, "C2"},
			{30 * time.Minute, "C3", false, "C2"},
			{31 * time.Minute, "C3", false, "C3"},
		} {
			id.Store(step.id)
			fails.Store(step.fails)
			b.pass(step.after)
			b.add(fmt.Sprint("w", i), "#a")
			b.pass(2 * time.Second)
			sent := s.sent()
			require.Len(b.t, sent, i+1)
			require.Equal(b.t, step.want, sent[i].id, i)
		}
	})
}

func TestARenamedChannelIsResolvedAnew(t *testing.T) {
	var known, current atomic.Value // the id that Slack tells, and the one that takes messages
	known.Store("C1")
	current.Store("C1")
	s := &service{names: func(*place) (notifier.Resolved, error) { return notifier.Resolved{ID: known.Load().(string)}, nil }}
	s.send = func(_ context.Context, p *place, _ notifier.Message) error {
		if p.ID != current.Load() {
			return notifier.Permanent.Errorf("is_archived: %w", notifier.ErrDestinationGone)
		}
		return nil
	}
	run(t, resolving{s}, func(b *bench) {
		b.start()
		b.add("w1", "#a")
		synctest.Wait()
		known.Store("C2") // archived, and replaced by another of its name
		current.Store("C2")
		ids := b.add("w2", "#a")
		b.pass(5 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Equal(b.t, "C2", s.sent()[1].id)
		known.Store("C3") // gone for good: what was resolved anew and is refused is dead
		current.Store("")
		ids = b.add("w3", "#a")
		b.pass(10 * time.Second)
		require.Equal(b.t, store.Dead, b.get(ids[0]).State)
		require.Equal(b.t, 2, b.get(ids[0]).Attempts)
	})
}

func TestAServiceThatCannotResolveIsLeftAlone(t *testing.T) {
	var asked tally
	s := &service{names: func(*place) (notifier.Resolved, error) {
		if asked.note() < 4 {
			return notifier.Resolved{}, notifier.RetryAfter(30*time.Second, errors.New("ratelimited"))
		}
		return notifier.Resolved{ID: "C1"}, nil
	}}
	run(t, resolving{s}, func(b *bench) {
		b.start()
		for i := range 40 {
			b.add(fmt.Sprint("w", i), "#a")
		}
		b.pass(89 * time.Second)
		require.Equal(b.t, 3, asked.count(), "one question each time it may be asked")
		b.pass(10 * time.Minute)
		require.Equal(b.t, 4, asked.count())
		require.Len(b.t, s.sent(), 40)
	})
}

func TestFailuresBeforeASendBackOffToo(t *testing.T) {
	var asked tally
	s := &service{names: func(*place) (notifier.Resolved, error) {
		asked.note()
		return notifier.Resolved{}, notifier.Retry.Errorf("HTTP status 503")
	}}
	run(t, resolving{s}, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(5 * time.Second)
		require.GreaterOrEqual(b.t, asked.count(), 3, "the first back-offs are short")
		b.pass(time.Hour)
		require.Less(b.t, asked.count(), 40)
		require.Zero(b.t, b.get(ids[0]).Attempts)
		require.Equal(b.t, store.Pending, b.get(ids[0]).State)
	})
}

func TestAHangingServiceCannotTakeEverything(t *testing.T) {
	s := &service{}
	var under atomic.Int32
	s.send = func(ctx context.Context, _ *place, _ notifier.Message) error {
		under.Add(1)
		defer under.Add(-1)
		<-ctx.Done()
		return ctx.Err()
	}
	run(t, s, func(b *bench) {
		for i := range 560 {
			b.add(fmt.Sprint("w", i), fmt.Sprint("#", i))
		}
		b.start()
		synctest.Wait()
		want := 512
		if b.queue != nil {
			want = 2 * 128 // of this process: there are others
		}
		require.EqualValues(b.t, want, under.Load())
	})
}
