package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// subscriptions reads the rules for all executions. They name connections as tasks do.
func (p *parser) subscriptions(tree any, c *Config) {
	if tree == nil {
		return
	}
	env := spec.Env{Registry: p.reg, Connections: c.named(p.reg)}
	all, problems, broken := spec.ParseSubscriptions("subscriptions", tree, env)
	p.problems = append(p.problems, problems...)
	c.Subscriptions, c.Broken = all, broken
}

// ops reads whom to tell of dead deliveries.
func (p *parser) ops(tree any, c *Config) {
	if tree == nil {
		return
	}
	steps, problems := spec.ParseSteps("ops", tree, spec.Env{Registry: p.reg, Connections: c.named(p.reg)})
	p.problems = append(p.problems, problems...)
	c.Ops = steps
}

// Warnings are what is no mistake in the file, and yet nobody wants: rules that can never fire, quiet hours that leave no
// time to send, and what became of messages forgotten too early.
func (c *Config) Warnings() (all []notifier.Problem) {
	if c.Retention.Deliveries < c.Delivery.MaxAge {
		all = append(all, notifier.Problem{Path: "retention.deliveries", Text: fmt.Sprintf(
			"shorter than delivery.max_age (%s): what became of a message is forgotten while others of its rule are still tried, which fallbacks and tasks that wait go by",
			c.Delivery.MaxAge)})
	}
	for i := range c.Subscriptions {
		all = append(all, c.Subscriptions[i].Warnings()...)
		for _, r := range c.Subscriptions[i].Rules {
			all = append(all, c.endless(r)...)
		}
	}
	strict.Sort(all)
	return all
}

// endless tells of the rule's quiet hours that never end together with those of a connection. Each alone does.
func (c *Config) endless(r spec.Rule) (all []notifier.Problem) {
	steps := slices.Concat(r.Send, r.Fallback)
	for _, e := range r.Escalate {
		steps = append(steps, e.Send...)
	}
	told := map[string]bool{}
	for _, s := range steps {
		quiet := c.Connections[s.Connection].Quiet
		if r.Quiet == nil || quiet == nil || told[s.Connection] || !spec.Endless(r.Quiet, quiet) {
			continue
		}
		told[s.Connection] = true
		all = append(all, notifier.Problem{Path: r.Path() + ".quiet", Text: fmt.Sprintf(
			"never ends together with %s.quiet: each message is held for up to 8 days", strict.Key("connections", s.Connection))})
	}
	return all
}

// named are the connections as specs are judged by them: without notifiers, which need the secrets.
func (c *Config) named(reg *notifier.Registry) *notifier.Connections {
	var all []*notifier.Connection
	defaults := map[string]string{}
	maps.Copy(defaults, c.Defaults)
	for name, made := range c.Connections {
		all = append(all, &notifier.Connection{Name: name, Kind: made.Kind, Config: made.Config, Allow: made.Allow, Rate: made.Rate})
	}
	for _, m := range reg.All() {
		if m.Config == nil {
			defaults[m.Kind] = m.Kind
			all = append(all, &notifier.Connection{Name: m.Kind, Kind: m.Kind})
		}
	}
	return notifier.NewConnections(all, defaults)
}
