package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestOneMessageForOnePlace: what is told together goes to the same people in the same way; words of single messages
// do not part them.
func TestOneMessageForOnePlace(t *testing.T) {
	for name, want := range map[string]struct {
		kind, destination string
		bundles           int
	}{
		"a subject of each":        {"sendgrid", `{"to": ["ml@example.org"], "subject": "{{.Name}} failed"}`, 1},
		"a copy to each":           {"sendgrid", `{"to": ["ml@example.org"], "cc": ["{{.User}}@example.org"]}`, 3},
		"answers to each":          {"sendgrid", `{"to": ["ml@example.org"], "reply_to": "{{.User}}@example.org"}`, 3},
		"people of each":           {"sendgrid", `{"to": ["{{.User}}@example.org"]}`, 3},
		"one channel":              {"slack", `{"channel": "#ml", "update": true}`, 1},
		"one channel, two threads": {"slack", `{"channel": "ml", "thread": "{{if eq .User \"u1\"}}none{{else}}execution{{end}}"}`, 1},
		"a channel of each":        {"slack", `{"channel": "#team-{{.User}}"}`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(b *bench) {
				b.stop()
				b.exec, b.stop = b.execute(func(o *executor.Options) {
					o.Registry = notifier.NewRegistry(slack.Manifest(), sendgrid.Manifest())
				})
				b.subscribe(to("failures", when("failed", spec.When{Phases: []string{"FAILED"}}, func(r *spec.Rule) {
					r.Group = &spec.Group{Wait: 30 * time.Second, Every: time.Minute}
					r.Send = []spec.Step{{Kind: want.kind, Connection: "team", Destination: json.RawMessage(want.destination)}}
				})))
				for i := range 3 {
					b.admin.set(fmt.Sprint("f", i), "FAILED", of("nightly"), ends, byUser(fmt.Sprint("u", i)))
				}
				b.rounds(3)
				b.pass(time.Minute)
				sent := 0
				for _, d := range b.deliveries() {
					if d.State == store.Pending {
						sent++
					}
				}
				require.Len(b.t, b.deliveries(), 3)
				require.Equal(b.t, want.bundles, sent)
			})
		})
	}
}

// flaky fails every other write, before or after it was made.
type flaky struct {
	executor.Store
	writes atomic.Int64
	most   atomic.Int64 // deliveries that were read at once
}

func (f *flaky) Write(ctx context.Context, c store.Change) error {
	n := f.writes.Add(1)
	if n%4 == 0 {
		return errors.New("no space left")
	}
	if err := f.Store.Write(ctx, c); err != nil {
		return err
	}
	if n%4 == 2 {
		return errors.New("the answer was lost")
	}
	return nil
}

func (f *flaky) Held(ctx context.Context, bundle string, limit int) ([]store.Delivery, error) {
	held, err := f.Store.Held(ctx, bundle, limit)
	if int64(len(held)) > f.most.Load() {
		f.most.Store(int64(len(held)))
	}
	return held, err
}

// TestALargeBundleIsOneMessage: it is released by several executors, whose store fails now and then, and none of them
// has more than a page of it in memory.
func TestALargeBundleIsOneMessage(t *testing.T) {
	const large = 1050
	run(t, func(b *bench) {
		b.stop()
		until := time.Now().UTC().Add(time.Minute)
		c := store.Change{At: time.Now().UTC()}
		for i := range large {
			c.Deliveries = append(c.Deliveries, heldBack(b.t, i, "b-1", until))
		}
		c.Deliveries = append(c.Deliveries, heldBack(b.t, large, "b-1", until.Add(time.Hour)))
		require.NoError(b.t, b.store.Write(b.t.Context(), c))
		f := &flaky{Store: b.store}
		_, stop1 := b.execute(func(o *executor.Options) { o.Store = f })
		_, stop2 := b.execute(func(o *executor.Options) { o.Store = f })
		b.stop = func() { stop1(); stop2() }
		b.pass(5 * time.Minute)

		byID, pending := map[string]store.Delivery{}, ""
		for _, d := range b.deliveries() {
			byID[d.ID] = d
			if d.State == store.Pending {
				require.Empty(b.t, pending, "one message")
				pending = d.ID
			}
		}
		require.Equal(b.t, "d0", pending, "the first")
		for i := 1; i < large; i++ {
			d := byID[fmt.Sprint("d", i)]
			for d.State == store.Superseded {
				d = byID[strings.TrimSuffix(strings.TrimPrefix(d.LastError, "told in "), ", with others")]
			}
			require.Equal(b.t, pending, d.ID, "each says where it is told")
		}
		require.Equal(b.t, store.Held, byID[fmt.Sprint("d", large)].State, "its time has not come")
		m, err := render.Message(content(b.t, byID[pending]), "")
		require.NoError(b.t, err)
		require.Contains(b.t, m.Title, fmt.Sprint(large, " messages: ", large, " × FAILED"))
		lines := strings.Split(m.Body, "\n")
		require.Len(b.t, lines, 31)
		for i, line := range lines[:30] {
			require.Contains(b.t, line, fmt.Sprintf("f%d FAILED", i))
		}
		require.Equal(b.t, fmt.Sprint("… and ", large-30, " more"), lines[30])
		require.LessOrEqual(b.t, f.most.Load(), int64(200))
	})
}

// heldBack is the i-th delivery of a bundle.
func heldBack(t *testing.T, i int, bundle string, until time.Time) store.Delivery {
	name := fmt.Sprint("f", i)
	raw, err := render.Content{Data: render.Data{
		Name: name, Workflow: name, Phase: "FAILED", Reason: "phase:FAILED", At: until.Add(time.Duration(i-9999) * time.Second),
	}}.Marshal()
	require.NoError(t, err)
	return store.Delivery{
		ID: fmt.Sprint("d", i), Key: "key " + name, WatchID: "w-" + name, Execution: id(name), Rule: "failed", Reason: "phase:FAILED", Kind: "stdout",
		Destination: json.RawMessage(`{}`), Address: "stdout", Content: raw, State: store.Held, NextAt: until, CreatedAt: until.Add(-time.Hour),
		HeldUntil: until, Bundle: bundle,
	}
}

func content(t *testing.T, d store.Delivery) render.Content {
	c, err := render.Unmarshal(d.Content)
	require.NoError(t, err)
	return c
}

// TestSilencesAndALargeBundle: a silence keeps what it matches out of the message, and nothing else.
func TestSilencesAndALargeBundle(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		until := time.Now().UTC().Add(time.Minute)
		c := store.Change{At: time.Now().UTC()}
		for i := range 450 {
			c.Deliveries = append(c.Deliveries, heldBack(b.t, i, "b-1", until))
		}
		require.NoError(b.t, b.store.Write(b.t.Context(), c))
		b.exec, b.stop = b.execute(func(o *executor.Options) {
			o.Silenced = func(_ context.Context, d store.Delivery) bool {
				return d.Rule == "failed" && (d.Execution.Name == "f1" || d.Execution.Name == "f300" || d.Execution.Name == "")
			}
		})
		b.pass(2 * time.Minute)
		var titles []string
		for _, d := range b.deliveries() {
			if d.State == store.Pending {
				titles = append(titles, titled(b.t, d))
			}
		}
		require.ElementsMatch(b.t, []string{"448 messages: 448 × FAILED", "f1 FAILED", "f300 FAILED"}, titles, "the outbox silences those two")
	})
}

// byUser is an execution that somebody started.
func byUser(name string) func(*flyte.Execution) {
	return func(x *flyte.Execution) { x.User = name }
}
