package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// meddled is a store in which somebody else writes one of the notes of a kind whenever they are read, for so many times.
type meddled struct {
	executor.Store
	kind  string
	times atomic.Int32
}

func (s *meddled) AllNotes(ctx context.Context, kind, after string, limit int) ([]store.Note, error) {
	all, err := s.Store.AllNotes(ctx, kind, after, limit)
	if err == nil {
		err = s.meddle(ctx, kind, all)
	}
	return all, err
}

func (s *meddled) DueNotes(ctx context.Context, kind string, now time.Time, after store.Note, limit int) ([]store.Note, error) {
	all, err := s.Store.DueNotes(ctx, kind, now, after, limit)
	if err == nil {
		err = s.meddle(ctx, kind, all)
	}
	return all, err
}

func (s *meddled) meddle(ctx context.Context, kind string, all []store.Note) error {
	if kind != s.kind || len(all) == 0 || s.times.Add(-1) < 0 {
		return nil
	}
	return s.Write(ctx, store.Change{At: time.Now().UTC(), Notes: []store.Note{all[len(all)/2]}})
}

func TestAThreadIsForgottenWhenNobodyNeedsIt(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		b.register("f1", []spec.Rule{onPhases("failed", "FAILED")})
		b.rounds(1)
		due := time.Now().UTC().Add(10 * time.Minute)
		var notes []store.Note
		for _, name := range []string{"f1", "gone"} {
			notes = append(notes, store.Note{Kind: store.NoteThread, Key: name, Execution: id(name), Due: due, Body: json.RawMessage(`{}`)})
		}
		elsewhere := id("f1")
		elsewhere.Project = "quiet"
		notes = append(notes, store.Note{Kind: store.NoteThread, Key: "quiet", Execution: elsewhere, Due: due, Body: json.RawMessage(`{}`)})
		require.NoError(b.t, b.store.Write(b.t.Context(), store.Change{At: time.Now().UTC(), Notes: notes}))
		kept := func() (keys []string) {
			all, err := b.store.AllNotes(b.t.Context(), store.NoteThread, "", 10)
			require.NoError(b.t, err)
			for _, n := range all {
				keys = append(keys, n.Key)
			}
			return keys
		}
		b.pass(9 * time.Minute)
		require.Len(b.t, kept(), 3)
		b.pass(2 * time.Minute)
		require.Equal(b.t, []string{"f1"}, kept())
		b.admin.set("f1", "SUCCEEDED", ends)
		b.pass(61 * time.Minute)
		require.Equal(b.t, []string{"f1"}, kept(), "its watch is there still")
		n, err := b.store.Purge(b.t.Context(), time.Now().UTC(), time.Time{}, 10)
		require.NoError(b.t, err)
		require.Equal(b.t, 1, n)
		b.pass(61 * time.Minute)
		require.Empty(b.t, kept())
	})
}

// threads keeps the notes of threads of executions that nobody follows.
func (b *bench) threads(n int, due func(i int) time.Time) {
	var notes []store.Note
	for i := range n {
		name := fmt.Sprint("gone", i)
		notes = append(notes, store.Note{Kind: store.NoteThread, Key: name, Execution: id(name), Due: due(i), Body: json.RawMessage(`{}`)})
	}
	require.NoError(b.t, b.store.Write(b.t.Context(), store.Change{At: time.Now().UTC(), Notes: notes}))
}

func TestAThreadThatIsWrittenAllTheTimeKeepsNoOther(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		m := &meddled{Store: b.store, kind: store.NoteThread}
		m.times.Store(1 << 20)
		b.exec, b.stop = b.execute(func(o *executor.Options) { o.Store = m })
		b.threads(20, func(int) time.Time { return time.Now().UTC().Add(time.Minute) })
		b.pass(2 * time.Minute)
		all, err := b.store.AllNotes(b.t.Context(), store.NoteThread, "", 100)
		require.NoError(b.t, err)
		require.Len(b.t, all, 1)
	})
}

// What only the store is asked for says nothing of flyteadmin, of which every scope has pauses of its own.
func TestForgettingEndsNoPauseOfFlyteadmin(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		b.register("f1", []spec.Rule{when("long", runningFor(time.Minute))})
		b.rounds(2)
		b.admin.fail(errors.New("down"))
		b.pass(2 * time.Minute)
		calls := func() int {
			before := b.admin.calls()
			b.pass(5 * time.Minute)
			return b.admin.calls() - before
		}
		without := calls()
		begin := time.Now().UTC()
		b.threads(300, func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second) })
		require.Less(b.t, calls(), without+40)
		all, err := b.store.AllNotes(b.t.Context(), store.NoteThread, "", 1000)
		require.NoError(b.t, err)
		require.LessOrEqual(b.t, len(all), 1, "nor does one delay it")
	})
}
