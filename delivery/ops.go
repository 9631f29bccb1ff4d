package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
	opsMourn   = 10 * time.Minute // after one that died
	opsGather  = 5 * time.Second  // what dies soon after the first is told with it
	opsOverlap = 30 * time.Second // servers record a death late, and by clocks that differ. Less than opsEvery: nothing is late twice
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
// with which the next one starts. While one waits to be sent there is no further one to its destination, which is told
// of all that died meanwhile afterwards. Deaths of these deliveries are told to nobody: they would be told of for ever.
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

// Reload tells others from now on. A destination that is new is told of what dies from now on, or of what those that
// it replaces were not told.
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

// sleep waits until something dies, and for so long at most. It is false once ctx has ended.
func (p *Ops) sleep(ctx context.Context, d time.Duration) bool {
	look := time.NewTimer(d)
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

// tell makes the messages of what has died and was not told, and returns when to look again, if nothing dies before.
func (p *Ops) tell(ctx context.Context, now time.Time) (next time.Duration, err error) {
	steps := *p.steps.Load()
	if len(steps) == 0 {
		return opsLook, nil
	}
	note, known, err := p.read(ctx)
	if err != nil {
		return 0, err
	}
	states, err := p.states(ctx, known)
	if err != nil {
		return 0, err
	}
	if known.admit(steps, states, now) {
		p.wakeUp()
		_, err := p.write(ctx, note, known, nil, now)
		return opsLook, err
	}
	made, next, err := p.messages(ctx, steps, known, states, now)
	if err != nil || len(made) == 0 {
		return next, err
	}
	if won, err := p.write(ctx, note, known, made, now); err != nil || !won {
		return next, err
	}
	p.Log.InfoContext(ctx, "told of dead deliveries", "messages", len(made))
	return min(next, opsEvery), nil // whatever dies meanwhile is told then
}

// messages makes one for each destination that may get one and was not told all, and notes that.
func (p *Ops) messages(
	ctx context.Context, steps []spec.Step, known opsNote, states map[string]store.DeliveryState, now time.Time,
) (made []store.Delivery, next time.Duration, err error) {
	next = opsLook
	for key, step := range byPlace(steps) {
		place := known.Places[key]
		state := states[place.Alert]
		if wait := place.rests(state, now); wait > 0 {
			next = min(next, wait)
			continue
		}
		dead, from, err := p.untold(ctx, place, state)
		if err != nil {
			return nil, 0, err
		}
		if dead.count == 0 {
			continue
		}
		d, err := p.delivery(step, key, dead, from.Since, now)
		if err != nil {
			return nil, 0, err
		}
		made = append(made, d)
		known.Places[key] = opsPlace{Alert: d.ID, Told: opsMark{Since: now, Late: dead.late(now)}, Before: from}
	}
	return made, next, nil
}

func (p *Ops) read(ctx context.Context) (note store.Note, known opsNote, err error) {
	found, err := p.Store.Notes(ctx, OpsName, []string{OpsName})
	if err != nil {
		return note, known, fmt.Errorf("read what was told of dead deliveries: %w", err)
	}
	if len(found) == 0 {
		return store.Note{Kind: OpsName, Key: OpsName}, known, nil
	}
	if err := json.Unmarshal(found[0].Body, &known); err != nil {
		return note, known, fmt.Errorf("read what was told of dead deliveries: %w", err)
	}
	return found[0], known, nil
}

// write stores messages with the note. Where another server was faster it has told the same, and this one looks again.
func (p *Ops) write(ctx context.Context, note store.Note, known opsNote, made []store.Delivery, now time.Time) (won bool, err error) {
	if note.Body, err = json.Marshal(known); err != nil {
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

// states are what became of the last messages, by id. One that is not there any more was settled long ago.
func (p *Ops) states(ctx context.Context, known opsNote) (map[string]store.DeliveryState, error) {
	states := map[string]store.DeliveryState{}
	ids := known.alerts()
	if len(ids) == 0 {
		return states, nil
	}
	err := p.Store.Deliveries(ctx, store.Filter{IDs: ids}, func(d store.Delivery) error {
		states[d.ID] = d.State
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find what became of messages about dead deliveries: %w", err)
	}
	return states, nil
}

// delivery is the message to a destination.
func (p *Ops) delivery(step spec.Step, place string, dead opsDead, since, now time.Time) (store.Delivery, error) {
	data := render.Data{Rule: OpsName, Reason: OpsName, At: now, Inputs: map[string]any{"title": dead.title(), "body": dead.body(since)}}
	// Errors are what services said: as values of a template they are text, whatever they look like.
	content, err := render.Content{Template: render.Template{Title: "{{.Inputs.title}}", Body: "{{.Inputs.body}}"}, Data: data}.Marshal()
	if err != nil {
		return store.Delivery{}, fmt.Errorf("store what tells of dead deliveries: %w", err)
	}
	key := fmt.Sprintf("%s|%d|%s[%s]", OpsName, now.UnixMicro(), OpsName, place)
	d := store.Delivery{
		ID: store.DeliveryID(key), Key: key, WatchID: OpsName, Rule: OpsName, Reason: OpsName, Kind: step.Kind, Connection: step.Connection,
		Content: content, State: store.Pending, NextAt: now, CreatedAt: now,
	}
	to, err := spec.Addressed(p.Registry, d.Kind, step.Destination, data)
	d.Destination, d.Address = to.Raw, to.Address
	if err != nil {
		d.State, d.LastError, d.SettledAt = store.Dead, err.Error(), now
		p.Log.Error("nobody is told of dead deliveries there", "path", step.Path, "error", err)
	}
	return d, nil
}

// untold finds what has died and a place was not told, from when on it counts. When a delivery was made says nothing:
// what is redriven may die weeks later. What a message told that died itself is told again, with what has died since:
// alone it is not, for the next one might die of the same.
func (p *Ops) untold(ctx context.Context, place opsPlace, last store.DeliveryState) (dead opsDead, from opsMark, err error) {
	from = place.Told
	if dead, err = p.died(ctx, from); err != nil || dead.count == 0 || last != store.Dead {
		return dead, from, err
	}
	from = place.Before
	dead, err = p.died(ctx, from)
	return dead, from, err
}

// died finds what has died behind a mark.
func (p *Ops) died(ctx context.Context, from opsMark) (dead opsDead, err error) {
	since := store.Filter{State: string(store.Dead), Since: from.Since.Add(-opsOverlap)}
	told := from.tells()
	err = p.Store.Deliveries(ctx, since, func(d store.Delivery) error {
		if d.WatchID != OpsName && !told(d) {
			dead.add(d)
		}
		return nil
	})
	if err != nil {
		return dead, fmt.Errorf("find dead deliveries: %w", err)
	}
	return dead, nil
}
