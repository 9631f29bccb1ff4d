package main

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func deliveriesCommand() *cobra.Command {
	var s selection
	return listing[store.Delivery]{
		flags: s.flags,
		use:   "deliveries", short: "List deliveries: what was told to whom, and what was not",
		states: []string{"pending", "delivered", "dead", "superseded", "silenced"},
		header: []string{"ID", "STATE", "EXECUTION", "RULE", "TO", "ATTEMPTS", "CREATED", "LAST ERROR"},
		cells: func(d store.Delivery, now time.Time) []string {
			return []string{
				d.ID, stateOf(d), brief(d.Execution.String(), 60), brief(d.Rule, 30), brief(d.Kind+" "+d.Address, 40),
				strconv.Itoa(d.Attempts), ago(d.CreatedAt, now), brief(d.LastError, 80),
			}
		},
		state: stateOf,
		line:  func(d store.Delivery) any { return lineOf(d) },
		read: func(ctx context.Context, st store.Store, f store.Filter, yield func(store.Delivery) error) error {
			return selected(ctx, st, f, s, yield)
		},
	}.command()
}

// errEnough ends a listing that has what it wants.
var errEnough = errors.New("enough")

// selected lists the deliveries of a filter that are in a selection; the filter's limit counts those.
func selected(ctx context.Context, st store.Store, f store.Filter, s selection, yield func(store.Delivery) error) error {
	if s.empty() {
		return st.Deliveries(ctx, f, yield)
	}
	now, limit, n := time.Now(), f.Limit, 0
	if limit > 0 {
		f.Limit = math.MaxInt32 // of those that are read, newest first
	}
	err := st.Deliveries(ctx, f, func(d store.Delivery) error {
		if !s.has(d, now) {
			return nil
		}
		if n++; limit > 0 && n > limit {
			return errEnough
		}
		return yield(d)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// deliveryLine is a delivery as --json prints it.
type deliveryLine struct {
	ID             string           `json:"id"`
	Key            string           `json:"key"`
	State          string           `json:"state"`
	Rule           string           `json:"rule"`
	Reason         string           `json:"reason"`
	Project        string           `json:"project"`
	Domain         string           `json:"domain"`
	Name           string           `json:"name"`
	Notifier       string           `json:"notifier"`
	Connection     string           `json:"connection"`
	Destination    string           `json:"destination"`
	Attempts       int              `json:"attempts"`
	LastError      string           `json:"last_error"`
	TemplateError  string           `json:"template_error,omitempty"`
	PossiblyDouble bool             `json:"possibly_double,omitempty"`
	CreatedAt      *string          `json:"created_at"`
	DeliveredAt    *string          `json:"delivered_at"`
	HeldUntil      *string          `json:"held_until,omitempty"`
	Receipt        notifier.Receipt `json:"receipt"`
}

// stateOf is a delivery's state as users know it: what is held back is pending.
func stateOf(d store.Delivery) string {
	if d.State == store.Held {
		return string(store.Pending)
	}
	return string(d.State)
}

func lineOf(d store.Delivery) deliveryLine {
	l := deliveryLine{
		ID: d.ID, Key: d.Key, State: stateOf(d), Rule: d.Rule, Reason: d.Reason,
		Project: d.Execution.Project, Domain: d.Execution.Domain, Name: d.Execution.Name,
		Notifier: d.Kind, Connection: d.Connection, Destination: d.Address,
		Attempts: d.Attempts, LastError: d.LastError, TemplateError: d.RenderError, PossiblyDouble: d.Double,
		CreatedAt: timestamp(d.CreatedAt), Receipt: d.Receipt,
	}
	if d.State == store.Held {
		l.HeldUntil = timestamp(d.HeldUntil)
	}
	if d.State == store.Delivered {
		l.DeliveredAt = timestamp(d.SettledAt)
	}
	return l
}
