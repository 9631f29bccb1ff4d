package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/delivery"
)

// silenceFlags are what a new silence is made of.
type silenceFlags struct {
	all         bool
	period      time.Duration
	from, until string
	silence     delivery.Silence
}

func silenceCommand() *cobra.Command {
	var configFile string
	var f silenceFlags
	c := &cobra.Command{
		Use:   "silence",
		Short: "Hold messages back for a while; a running server obeys within seconds",
		Long: "Hold back messages that match all of the patterns, for a while. What would be sent meanwhile gets the state\n" +
			"silenced, for good: `redrive` sends it nevertheless. Patterns are as in subscriptions: * stands for any text.",
		Example: "  flyte-notifier silence --config F --project ml --domain production --workflow 'train*' --for 2h --comment 'new cluster'",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := f.read(c, time.Now().UTC())
			if err != nil {
				return err
			}
			st, err := openStore(c, configFile)
			if err != nil {
				return err
			}
			defer st.Close()
			if s, err = delivery.AddSilence(c.Context(), st, s); err != nil {
				return &exitError{exitFailed, err}
			}
			from := ""
			if !s.From.IsZero() {
				from = " from " + second(s.From)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s silences %s%s until %s\n", s.ID, s.Match, from, second(s.Until))
			return nil
		},
	}
	configFlag(c, &configFile)
	f.define(c)
	c.AddCommand(silenceListCommand(), silenceExpireCommand())
	return c
}

func (f *silenceFlags) define(c *cobra.Command) {
	flags, m := c.Flags(), &f.silence.Match
	flags.StringVar(&m.Project, "project", "", "pattern of the project")
	flags.StringVar(&m.Domain, "domain", "", "pattern of the domain")
	flags.BoolVar(&f.all, "all", false, "every project and domain")
	flags.StringVar(&m.Name, "name", "", "pattern of the execution's name")
	flags.StringVar(&m.Workflow, "workflow", "", "pattern of the workflow's name, without project and version")
	flags.StringVar(&m.LaunchPlan, "launch-plan", "", "pattern of the launch plan's name")
	flags.StringVar(&m.Rule, "rule", "", "pattern of the rule's name")
	flags.StringVar(&m.User, "user", "", "pattern of who started the execution")
	flags.DurationVar(&f.period, "for", 0, "for how long, such as 1h30m")
	flags.StringVar(&f.until, "until", "", "until when, such as 2026-11-23T06:00:00Z; instead of --for")
	flags.StringVar(&f.from, "from", "", "from when on; default: now")
	flags.StringVar(&f.silence.By, "by", "", "who wants it; default: $USER")
	flags.StringVar(&f.silence.Comment, "comment", "", "why; it is told with what was held back")
}

// read makes the silence that the flags ask for.
func (f *silenceFlags) read(c *cobra.Command, now time.Time) (s delivery.Silence, err error) {
	s = f.silence
	s.CreatedAt, s.By = now, cmp.Or(s.By, os.Getenv("USER"))
	if err := f.scope(c, &s.Match); err != nil {
		return s, err
	}
	if f.from != "" {
		if s.From, err = readTime("from", f.from); err != nil {
			return s, err
		}
	}
	switch flags := c.Flags(); {
	case flags.Changed("for") == flags.Changed("until"):
		return s, errors.New("either --for or --until is required")
	case flags.Changed("until"):
		if s.Until, err = readTime("until", f.until); err != nil {
			return s, err
		}
	case f.period <= 0:
		return s, fmt.Errorf("--for: must be longer than 0, not %s", f.period)
	case s.From.IsZero():
		s.Until = now.Add(f.period)
	default:
		s.Until = s.From.Add(f.period)
	}
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("this is no silence: %w", err)
	}
	return s, nil
}

// scope sees that a silence is as wide as it was meant to be: by a variable of a shell that is not set, it
// would be wider.
func (f *silenceFlags) scope(c *cobra.Command, m *delivery.SilenceMatch) error {
	flags := c.Flags()
	for _, name := range []string{"project", "domain", "name", "workflow", "launch-plan", "rule", "user"} {
		if flags.Changed(name) && flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("--%s: must not be empty; leave it out, or say '*', if it does not matter", name)
		}
	}
	switch {
	case f.all && (m.Project != "" || m.Domain != ""):
		return errors.New("--all stands for every project and domain; leave it out, or --project and --domain")
	case f.all:
		m.Project, m.Domain = "*", "*"
	case m.Project == "" || m.Domain == "":
		return errors.New("--project and --domain are required, or --all")
	}
	return nil
}

func readTime(flag, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("--%s: must be a time such as 2026-11-23T06:00:00Z or 2026-11-23T08:00:00+02:00, not %q", flag, text)
	}
	return t.UTC(), nil
}
