package config

import (
	"maps"

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

// Warnings are what is no mistake in the file, and yet nobody wants: rules that can never fire.
func (c *Config) Warnings() (all []notifier.Problem) {
	for i := range c.Subscriptions {
		all = append(all, c.Subscriptions[i].Warnings()...)
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
