// Package migrate copies a store from SQLite to Postgres.
//
// It goes through the store watch by watch, each with its timeline and deliveries in one transaction
// of the target. What is there already stays as it is, so that a copy that was interrupted is simply
// begun again. The source is marked first: the target's servers send what arrives.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// batch is how many watches go in one transaction, and purgedBatch how many ids.
const (
	batch       = 500
	purgedBatch = 10_000
)

// Result is what was copied. Watches and deliveries that the target had are seen but not new.
type Result struct {
	Watches, NewWatches       int
	Deliveries, NewDeliveries int
	Pending                   int // of all deliveries, those to be sent, held ones among them
	Interrupted               int // attempts that were under way when the source's server died
	Purged                    int // ids of watches that were purged
}

// Options are what to copy, and where to. Progress may be nil; it is called after each transaction.
type Options struct {
	From     string // SQLite's file
	To       postgres.Options
	Progress func(Result)
}

// Run copies a store. No server may hold the source, and none opens it afterwards, whether Run ends
// well or not; Run itself may be repeated.
func Run(ctx context.Context, o Options) (r Result, err error) {
	to, err := postgres.OpenServer(ctx, o.To) // first: a source must not be marked for a target that is not there
	if err != nil {
		return r, fmt.Errorf("open the target: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	from, err := sqlite.OpenToMove(ctx, o.From)
	if err != nil {
		return r, fmt.Errorf("open the source: %w", err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	c := &copying{from: from, to: to, progress: o.Progress}
	if c.Interrupted, err = from.Recover(ctx, time.Now().UTC()); err != nil {
		return c.Result, err
	}
	for _, step := range []func(context.Context) error{c.sundries, c.purged, c.notes, c.watches, c.orphans, from.Moved} {
		if err := step(ctx); err != nil {
			return c.Result, err
		}
	}
	return c.Result, nil
}

// copying is one run.
type copying struct {
	Result
	from     *sqlite.Store
	to       *postgres.Store
	progress func(Result)
}

func (c *copying) told() {
	if c.progress != nil {
		c.progress(c.Result)
	}
}

// sundries copies rates and names, before any delivery arrives that needs them.
func (c *copying) sundries(ctx context.Context) error {
	all, err := c.from.ExportSundries(ctx)
	if err != nil {
		return err
	}
	return c.to.ImportSundries(ctx, all)
}

func (c *copying) purged(ctx context.Context) error {
	for after := ""; ; {
		ids, err := c.from.ExportPurged(ctx, after, purgedBatch)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := c.to.ImportPurged(ctx, ids); err != nil {
			return err
		}
		after = ids[len(ids)-1]
		c.Purged += len(ids)
		c.told()
	}
}

// notes copies those that go with no watch, before any watch arrives whose rules go by them. One that the target has
// removed since it was copied comes back; most of them are never removed, or end by themselves.
func (c *copying) notes(ctx context.Context) error {
	for after := int64(0); ; {
		notes, next, err := c.from.ExportNotes(ctx, after, batch)
		if err != nil || len(notes) == 0 {
			return err
		}
		if err := c.to.ImportNotes(ctx, notes); err != nil {
			return err
		}
		after = next
	}
}

func (c *copying) watches(ctx context.Context) error {
	return c.parcels(ctx, c.from.ExportWatches)
}

// orphans copies deliveries whose watch was purged.
func (c *copying) orphans(ctx context.Context) error {
	return c.parcels(ctx, c.from.ExportOrphans)
}

// page is what one export returned.
type page struct {
	parcels []store.Parcel
	err     error
}

// parcels reads the next page while the one before is being written.
func (c *copying) parcels(ctx context.Context, export func(context.Context, int64, int) ([]store.Parcel, int64, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan page)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	reading.Go(func() {
		defer close(pages)
		for after := int64(0); ; {
			var p page
			p.parcels, after, p.err = export(ctx, after, batch)
			if p.err == nil && len(p.parcels) == 0 {
				return
			}
			select {
			case pages <- p:
			case <-ctx.Done():
				return
			}
			if p.err != nil {
				return
			}
		}
	})
	for p := range pages {
		if p.err != nil {
			return p.err
		}
		watches, deliveries, err := c.to.Import(ctx, p.parcels)
		if err != nil {
			return err
		}
		c.NewWatches += watches
		c.NewDeliveries += deliveries
		c.count(p.parcels)
		c.told()
	}
	return ctx.Err()
}

func (c *copying) count(parcels []store.Parcel) {
	for _, p := range parcels {
		if !p.Purged {
			c.Watches++
		}
		c.Deliveries += len(p.Deliveries)
		for _, d := range p.Deliveries {
			if !d.State.Settled() {
				c.Pending++
			}
		}
	}
}
