package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// selection is what of the deliveries a command is for. Empty fields select all.
type selection struct {
	connection, rule, project, domain, text string
	since                                   time.Duration
}

// flags adds those of the selection, and has them checked before the command runs.
func (s *selection) flags(c *cobra.Command) {
	c.PreRunE = func(c *cobra.Command, _ []string) error { return s.check(c) }
	f := c.Flags()
	f.StringVar(&s.connection, "connection", "", "only those of this connection")
	f.StringVar(&s.rule, "rule", "", "only those of this rule")
	f.StringVar(&s.project, "project", "", "only those about executions of this project")
	f.StringVar(&s.domain, "domain", "", "only those about executions of this domain")
	f.StringVar(&s.text, "error", "", "only those whose last error has this text in it")
	f.DurationVar(&s.since, "since", 0, "only those created in this time before now, such as 24h; 0: however old")
}

// check says what is wrong with the flags as they were given. A filter that came out empty, such as an unset variable of a
// shell, would select more than was meant.
func (s *selection) check(c *cobra.Command) error {
	for name, value := range map[string]string{"connection": s.connection, "rule": s.rule, "project": s.project, "domain": s.domain, "error": s.text} {
		if value == "" && c.Flags().Changed(name) {
			return fmt.Errorf("--%s: must not be empty", name)
		}
	}
	if s.since < 0 {
		return fmt.Errorf("--since: must not be negative: %s", s.since)
	}
	return nil
}

// empty says whether it selects all.
func (s selection) empty() bool { return s == selection{} }

// has says whether it selects the delivery.
func (s selection) has(d store.Delivery, now time.Time) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(s.connection, d.Connection) && is(s.rule, d.Rule) && is(s.project, d.Execution.Project) && is(s.domain, d.Execution.Domain) &&
		strings.Contains(d.LastError, s.text) && (s.since == 0 || !d.CreatedAt.Before(now.Add(-s.since)))
}
