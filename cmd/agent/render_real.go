package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/preview"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// execution is what render shows messages of: a real one, or samples where admin is nil.
type execution struct {
	id     flyte.ExecutionID
	admin  *flyte.Client
	config *config.Config
	store  store.Store // nil until a rule looks at what it remembers
}

// open connects to the flyteadmin of the execution that the flags name, if they name one.
func (o rendering) open(ctx context.Context, c *config.Config) (*execution, error) {
	if o.execution == "" {
		return &execution{}, nil
	}
	id, err := executionID(o.execution)
	if err != nil {
		return nil, fmt.Errorf("--execution: %w", err)
	}
	if c == nil {
		return nil, errors.New("--execution: needs --config with the server's config")
	}
	admin, err := app.OpenAdmin(ctx, c)
	if err != nil {
		return nil, &exitError{exitFailed, err}
	}
	return &execution{id: id, admin: admin, config: c}, nil
}

func (x *execution) close() {
	if x.admin != nil {
		x.admin.Close()
	}
	if x.store != nil {
		x.store.Close()
	}
}

// declaring is the execution whose own notifications are shown, where subscriptions of the file honor them.
func (x *execution) declaring(ctx context.Context, f *preview.File) (flyte.Execution, error) {
	if x.admin == nil || len(f.Honoring) == 0 {
		return preview.Declaring(), nil
	}
	facts, err := app.Facts(ctx, x.admin, x.id, "")
	return facts.Execution, err
}

// occasion is what the rule tells of.
func (x *execution) occasion(ctx context.Context, r preview.Rule, phase string) (preview.Occasion, error) {
	now := time.Now()
	if x.admin == nil {
		return preview.Sample(r, phase, now), nil
	}
	facts, err := app.Facts(ctx, x.admin, x.id, r.Target.Node, r.Rule)
	if err != nil {
		return preview.Occasion{}, err
	}
	var numbers []string
	if r.Subscription != "" && executor.OfHistory(r.Rule) {
		if facts, numbers, err = x.history(ctx, r, facts, now); err != nil {
			return preview.Occasion{}, err
		}
	}
	o := preview.Real(r, facts, phase, now)
	o.History = numbers
	return o, nil
}

// history adds to the facts what the store remembers of the launch plan.
func (x *execution) history(ctx context.Context, r preview.Rule, f executor.Facts, now time.Time) (executor.Facts, []string, error) {
	if x.store == nil {
		st, err := app.OpenStore(ctx, x.config)
		if err != nil {
			return f, nil, err
		}
		x.store = st
	}
	return executor.Past(ctx, x.store, r.Subscription, r.Rule, f, now)
}
