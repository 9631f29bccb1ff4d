package app

import (
	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// judge makes the connections of a config that was read again. The problems are those that a start would
// have, and those with the store that runs.
func (s *server) judge(c *config.Config) (*notifier.Connections, []notifier.Problem) {
	connections, problems := s.connect(c)
	if _, ok := s.engine.(*postgres.Store); ok {
		problems = append(problems, c.NeedsSQLite()...)
	}
	return connections, problems
}

// take lets all parts go by a config that was read again, as far as they can while they run; config.Changes
// says which keys that are.
func (s *server) take(c *config.Config, connections *notifier.Connections) {
	s.outbox.Reload(connections, policy(c)) // before tasks can use connections that it would not know
	s.service.Reload(connections, c.Watch.AllowCrossProject)
	s.ops.Reload(c.Ops)
	s.hooks.Reload(connections)
	s.keep(c.Retention)
	s.tellBroken(c)
	s.executor.Resubscribe(rules(c))
	if s.Reloaded != nil {
		s.Reloaded(c)
	}
}
