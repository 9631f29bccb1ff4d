package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// openStore opens a store as a server does: an empty one is made.
func (b *bench) openStore(ctx context.Context, url string) (store.Store, error) {
	path, _, _, err := b.configure("store", url, nil)
	if err != nil {
		return nil, err
	}
	cfg, problems, err := config.Load(path, os.Environ(), builtin.Registry(io.Discard))
	if err != nil || len(problems) > 0 {
		return nil, fmt.Errorf("read the store's config: %w%v", err, problems)
	}
	return app.OpenServerStore(ctx, cfg, slog.New(slog.DiscardHandler))
}

// pending stores n deliveries that are due, each of a watch of its own.
func (b *bench) pending(ctx context.Context, url string, n int) (err error) {
	s, err := b.openStore(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(128)
	for i := range n {
		g.Go(func() error {
			w, d, err := failure(i)
			if err != nil {
				return err
			}
			if w, err = s.Register(ctx, w); err != nil {
				return err
			}
			w.Phase, w.State, w.EndedAt = "FAILED", store.Ended, time.Now()
			return s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}})
		})
	}
	return g.Wait()
}

// failure is the watch of the i-th execution as it is registered, and the delivery that its failure
// makes, as the executor makes them.
func failure(i int) (store.Watch, store.Delivery, error) {
	now := time.Now().UTC()
	data := render.Data{Project: scope.Project, Domain: scope.Domain, Name: name(i), Phase: "FAILED", Workflow: "train", Rule: "failed", Reason: "phase:FAILED"}
	content, err := render.Content{Template: render.Template{Title: "{{.Name}} {{.Phase}}"}, Data: data}.Marshal()
	w := store.Watch{
		ID: fmt.Sprintf("w%020x", uint64(i+1)*0x9e3779b97f4a7c15), Kind: store.Follow, State: store.Active, //nolint:gosec // a number
		Execution: execution(i), Own: execution(i), Custom: []byte(`{"rules":[]}`), Inputs: []byte(`{}`), CreatedAt: now,
	}
	channel := fmt.Sprintf("C%08d", i%channels)
	return w, store.Delivery{
		ID: "d" + w.ID[1:], Key: w.ID + "|failed|phase:FAILED|0|send[0]", WatchID: w.ID, Execution: w.Execution,
		Rule: "failed", Reason: "phase:FAILED", Kind: "slack", Connection: "team-slack", Address: channel,
		Destination: fmt.Appendf(nil, `{"channel":%q}`, channel), Content: content,
		State: store.Pending, NextAt: now, CreatedAt: now, Since: now,
	}, err
}
