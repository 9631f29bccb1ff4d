package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// OpsName is the rule, the reason and the WatchID, which no watch has, of the messages that tell of dead deliveries; and
// the kind and the key of the note in which servers agree what was told.
const OpsName = "ops"

const (
	opsEvery   = time.Minute      // between two messages to a destination, at least
	opsGather  = 5 * time.Second  // what dies soon after the first is told with it
	opsOverlap = 15 * time.Second // servers record a death late, and by clocks that differ
	opsAgain   = 10 * time.Second // after a store that failed
	opsLook    = 5 * time.Minute  // for what nobody told of: it was dead from the start, or its server died
)

// OpsStore is what Ops needs of a store.
type OpsStore interface {
	Notes(ctx context.Context, kind string, keys []string) ([]store.Note, error)
	Write(ctx context.Context, c store.Change) error
	Deliveries(ctx context.Context, f store.Filter, yield func(store.Delivery) error) error
}

// OpsOptions are what Ops is made of. All are required but Steps, which hold until Reload.
type OpsOptions struct {
	Store    OpsStore
	Registry *notifier.Registry
	Steps    []spec.Step // whom to tell; none: nobody
	Inserted func()      // called after deliveries were inserted; must not block
	Log      *slog.Logger
}

// Ops tells the operators of deliveries that died. What it tells are deliveries themselves, made in one transaction with
// the note of what they tell: of several servers one makes them, and a server that dies before leaves it to the look
// with which the next one starts. Deaths of these deliveries are told to nobody: they would be told of for ever.
type Ops struct {
	OpsOptions
	steps atomic.Pointer[[]spec.Step]
	wake  chan struct{}
}

// NewOps returns an Ops that tells nothing until Run.
func NewOps(o OpsOptions) *Ops {
	p := &Ops{OpsOptions: o, wake: make(chan struct{}, 1)}
	p.Reload(o.Steps)
	return p
}

// Reload tells others from now on. What died before anybody was to be told is not told.
func (p *Ops) Reload(steps []spec.Step) {
	p.steps.Store(&steps)
	p.wakeUp()
}

// Died is told that a delivery has died at this server. It never blocks.
func (p *Ops) Died(d store.Delivery) {
	if d.WatchID != OpsName {
		p.wakeUp()
	}
}

func (p *Ops) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run tells of deaths until ctx ends, and returns nil then. It looks into the store at its start, soon after something
// has died here, and now and then.
func (p *Ops) Run(ctx context.Context) error {
	for {
		next, err := p.tell(ctx, time.Now().UTC())
		if err != nil && ctx.Err() == nil {
			p.Log.WarnContext(ctx, "dead deliveries cannot be told of yet", "error", err)
			next = opsAgain
		}
		if !p.sleep(ctx, next) {
			return nil
		}
	}
}

// sleep waits for so long, or, where nothing is to be done, until something dies. It is false once ctx has ended.
func (p *Ops) sleep(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		return pause(ctx, d, nil)
	}
	look := time.NewTimer(opsLook)
	defer look.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-look.C:
		return true
	case <-p.wake:
		return pause(ctx, opsGather, nil)
	}
}

// opsTold is what was told, as the note has it.
type opsTold struct {
	At    time.Time `json:"at,omitzero"`    // of the last message
	Since time.Time `json:"since"`          // what died earlier is told, or is not to be
	Late  []string  `json:"late,omitempty"` // deaths that were told and are less than opsOverlap older than Since
}

// tell makes the messages of what has died and was not told, and returns when to look again: 0 when something dies, or after opsLook.
func (p *Ops) tell(ctx context.Context, now time.Time) (next time.Duration, err error) {
	steps := *p.steps.Load()
	if len(steps) == 0 {
		return 0, nil
	}
	note, told, err := p.read(ctx)
	if err != nil {
		return 0, err
	}
	if note.Version == 0 {
		told.Since = now // the first time: all before is history
		_, err := p.write(ctx, note, told, nil, now)
		return 0, err
	}
	if wait := min(told.At.Add(opsEvery).Sub(now), opsEvery); wait > 0 { // at most: a clock may have been set back
		return wait, nil
	}
	dead, err := p.untold(ctx, told) // a message is at least opsEvery older than the next one, so that nothing is late twice
	if err != nil || len(dead.groups) == 0 {
		return 0, err
	}
	made, err := p.deliveries(steps, dead, told, now)
	if err != nil {
		return 0, err
	}
	told = opsTold{At: now, Since: now, Late: dead.late(now)}
	if won, err := p.write(ctx, note, told, made, now); err != nil || !won {
		return 0, err
	}
	p.Log.InfoContext(ctx, "told of dead deliveries", "dead", dead.count, "messages", len(made))
	return opsEvery, nil // whatever dies meanwhile is told then
}

func (p *Ops) read(ctx context.Context) (note store.Note, told opsTold, err error) {
	found, err := p.Store.Notes(ctx, OpsName, []string{OpsName})
	if err != nil {
		return note, told, fmt.Errorf("read what was told of dead deliveries: %w", err)
	}
	if len(found) == 0 {
		return store.Note{Kind: OpsName, Key: OpsName}, told, nil
	}
	if err := json.Unmarshal(found[0].Body, &told); err != nil {
		return note, told, fmt.Errorf("read what was told of dead deliveries: %w", err)
	}
	return found[0], told, nil
}

// write stores messages with the note. Where another server was faster it has told the same, and this one looks again.
func (p *Ops) write(ctx context.Context, note store.Note, told opsTold, made []store.Delivery, now time.Time) (won bool, err error) {
	if note.Body, err = json.Marshal(told); err != nil {
		return false, fmt.Errorf("keep what was told of dead deliveries: %w", err)
	}
	err = p.Store.Write(ctx, store.Change{At: now, Notes: []store.Note{note}, Deliveries: made})
	if errors.Is(err, store.ErrConflict) {
		p.wakeUp()
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store what tells of dead deliveries: %w", err)
	}
	if len(made) > 0 {
		p.Inserted()
	}
	return true, nil
}

// deliveries makes one message for each destination.
func (p *Ops) deliveries(steps []spec.Step, dead opsDead, told opsTold, now time.Time) (all []store.Delivery, err error) {
	data := render.Data{Rule: OpsName, Reason: OpsName, At: now, Inputs: map[string]any{"title": dead.title(), "body": dead.body(told.Since)}}
	// Errors are what services said: as values of a template they are text, whatever they look like.
	content, err := render.Content{Template: render.Template{Title: "{{.Inputs.title}}", Body: "{{.Inputs.body}}"}, Data: data}.Marshal()
	if err != nil {
		return nil, fmt.Errorf("store what tells of dead deliveries: %w", err)
	}
	for i, step := range steps {
		key := fmt.Sprintf("%s|%d|%s[%d]", OpsName, now.UnixMicro(), OpsName, i)
		d := store.Delivery{
			ID: store.DeliveryID(key), Key: key, WatchID: OpsName, Rule: OpsName, Reason: OpsName, Kind: step.Kind, Connection: step.Connection,
			Content: content, State: store.Pending, NextAt: now, CreatedAt: now,
		}
		if d.Destination, d.Address, err = spec.Addressed(p.Registry, d.Kind, step.Destination, data); err != nil {
			d.State, d.LastError, d.SettledAt = store.Dead, err.Error(), now
			p.Log.Error("nobody is told of dead deliveries there", "path", step.Path, "error", err)
		}
		all = append(all, d)
	}
	return all, nil
}

// untold finds what has died and was not told. When it was made says nothing: what is redriven may die weeks later.
func (p *Ops) untold(ctx context.Context, told opsTold) (dead opsDead, err error) {
	since := store.Filter{State: string(store.Dead), Since: told.Since.Add(-opsOverlap)}
	err = p.Store.Deliveries(ctx, since, func(d store.Delivery) error {
		if d.WatchID != OpsName && !slices.Contains(told.Late, death(d)) {
			dead.add(d)
		}
		return nil
	})
	if err != nil {
		return dead, fmt.Errorf("find dead deliveries: %w", err)
	}
	return dead, nil
}

// death names one: a delivery that was redriven may die again.
func death(d store.Delivery) string { return fmt.Sprintf("%s@%d", d.ID, d.SettledAt.UnixMicro()) }
