package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// prepared is what a delivery needs to be sent, but for its message.
type prepared struct {
	connection  *notifier.Connection
	destination notifier.Destination
	rates       []store.Rate
	twice       bool   // people may get the message twice if it is sent now
	cached      bool   // the destination's exact name came from the cache
	terms       *terms // that all of it follows from
	part        part   // of a thread
	pass        *pass  // to call the service; nil before admit
}

// prepare finds the connection and the destination. Nobody is called. Its errors have a verdict.
func (o *Outbox) prepare(d store.Delivery) (p prepared, err error) {
	p.terms = o.terms.Load()
	if p.connection, err = p.terms.connections.Find(d.Kind, d.Connection); err != nil {
		return p, notifier.Permanent.Errorf("connection: %w", err)
	}
	if err := p.connection.Allow.CheckScope(d.Execution.Project, d.Execution.Domain); err != nil {
		return p, notifier.PermanentError(err)
	}
	if d.Destination == nil {
		return p, notifier.Permanent.Errorf("there is no place to send it to: the templates of its destination gave none")
	}
	manifest, ok := o.Registry.Find(d.Kind)
	if !ok {
		return p, notifier.Permanent.Errorf("notifier %s is not part of this version", d.Kind)
	}
	if p.destination, err = spec.Destination(manifest, d.Destination); err != nil {
		return p, notifier.PermanentError(err)
	}
	if ofSeveral(d) {
		p.destination = notifier.Gathered(p.destination)
	}
	p.rates = rates(p.connection, d.Address)
	if _, ok := p.connection.Notifier.(notifier.Resolver); !ok {
		return p, allowed(p.connection, p.destination, nil)
	}
	return p, nil
}

// compose makes the message, and notes in the delivery what is wrong with its template. That is most of a
// step's work here, so it comes last: a step that finds no place or token has not done it. Its error has a
// verdict.
func compose(d *store.Delivery) (notifier.Message, error) {
	content, err := render.Unmarshal(d.Content)
	if err != nil {
		return notifier.Message{}, notifier.Permanent.Errorf("read facts: %w", err)
	}
	d.RenderError = ""
	message, err := render.Message(content, d.ID)
	if err != nil {
		d.RenderError = err.Error()
	}
	return message, nil
}

// resolve fills in the destination's exact name where the service has one, as remembered or from the
// service, and judges every name by the connection's allow list.
func (l *line) resolve(u until, p *prepared) error {
	resolver, ok := p.connection.Notifier.(notifier.Resolver)
	if !ok {
		return nil
	}
	found, cached, err := l.exact(u, p, resolver)
	if err != nil {
		return resolveError(err)
	}
	l.known.set(found)
	p.cached = cached && found.ID != ""
	if err := allowed(p.connection, p.destination, found.Names); err != nil {
		return err
	}
	if exact, ok := p.destination.(notifier.Exact); ok && found.ID != "" {
		p.destination = exact.WithID(found.ID)
	}
	return nil
}

// exact finds the exact name. One of the cache that was not asked for a while is asked again, for the destination may have been
// renamed, and another have its name now; it serves on where the service does not say.
func (l *line) exact(u until, p *prepared, r notifier.Resolver) (found notifier.Resolved, cached bool, err error) {
	if found, ok := l.known.get(); ok {
		return found, true, nil
	}
	o := l.outbox
	old := o.remembered(u.call, l.Lane)
	if old.ID != "" && time.Since(old.At) < askedEvery {
		return old.Resolved, true, nil
	}
	found, err = o.ask(u, r, p.destination)
	p.questioned(err)
	switch {
	case err != nil && old.ID != "":
		o.Log.WarnContext(u.call, "exact name cannot be asked again: the old one serves on", "destination", l.Address, "error", err)
		found, cached = old.Resolved, true
	case err != nil || found.ID == "":
		return found, false, err
	}
	o.remember(u.call, l.Lane, remembered{found, time.Now().UTC()})
	return found, cached, nil
}

// remembered is an exact name as the cache has it.
type remembered struct {
	notifier.Resolved
	At time.Time `json:"at"` // when the service was asked
}

// remembered reads the cache. One that fails only costs a call.
func (o *Outbox) remembered(ctx context.Context, l store.Lane) (found remembered) {
	cached, err := o.Store.Resolved(ctx, l)
	if err == nil {
		err = json.Unmarshal(cached, &found)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		o.Log.WarnContext(ctx, "name cache cannot be read", "destination", l.Address, "error", err)
	}
	return found
}

// ask asks the service. Its errors are the service's.
func (o *Outbox) ask(u until, r notifier.Resolver, dest notifier.Destination) (notifier.Resolved, error) {
	ctx, cancel := u.early(o.policy().Timeout)
	defer cancel()
	return r.Resolve(ctx, dest)
}

func (o *Outbox) remember(ctx context.Context, l store.Lane, found remembered) {
	raw, err := json.Marshal(found)
	if err == nil {
		err = o.Store.SetResolved(ctx, l, raw)
	}
	if err != nil {
		o.Log.WarnContext(ctx, "name cache cannot be written", "destination", l.Address, "error", err)
	}
}

// resolveError keeps the verdict, but for an unknown outcome: nothing was sent yet, so it is safe
// to try again.
func resolveError(err error) error {
	verdict, after := notifier.VerdictOf(err)
	err = fmt.Errorf("resolve destination: %w", err)
	if verdict == notifier.Permanent {
		return err
	}
	return notifier.RetryAfter(after, err)
}

// allowed checks each address of a destination; names are all that one single address is known by.
func allowed(c *notifier.Connection, dest notifier.Destination, names []string) error {
	return refused(c.Allow.CheckDestination(dest, names...))
}

func refused(err error) error {
	if err == nil {
		return nil
	}
	return notifier.PermanentError(err)
}

// rates are the buckets that an attempt takes a token of.
func rates(c *notifier.Connection, address string) []store.Rate {
	var all []store.Rate
	if c.Rate.PerSecond > 0 {
		all = append(all, store.Rate{
			Bucket: c.Name + "|" + address, PerSecond: c.Rate.PerSecond, Burst: max(1, c.Rate.Burst),
		})
	}
	if c.Rate.TotalPerSecond > 0 {
		all = append(all, store.Rate{
			Bucket: c.Name, PerSecond: c.Rate.TotalPerSecond, Burst: max(1, int(c.Rate.TotalPerSecond)),
		})
	}
	return all
}
