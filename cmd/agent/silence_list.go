package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func silenceListCommand() *cobra.Command {
	var configFile string
	var expired, asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List silences that hold messages back, or will", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			st, err := openStore(c, configFile)
			if err != nil {
				return err
			}
			defer st.Close()
			all, err := delivery.Silences(c.Context(), st)
			if err != nil && !errors.Is(err, delivery.ErrUnreadable) {
				return &exitError{exitFailed, err}
			}
			if err := errors.Join(printSilences(c, all, expired, asJSON, time.Now()), err); err != nil {
				return &exitError{exitFailed, err}
			}
			return nil
		},
	}
	configFlag(c, &configFile)
	c.Flags().BoolVar(&expired, "all", false, "expired ones too")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return c
}

func printSilences(c *cobra.Command, all []delivery.Silence, expired, asJSON bool, now time.Time) error {
	out := c.OutOrStdout()
	t := newTable(out, "ID", "STATE", "MATCHES", "FROM", "UNTIL", "BY", "COMMENT")
	for _, s := range all {
		state := s.State(now)
		if state == delivery.SilenceExpired && !expired {
			continue
		}
		if asJSON {
			if err := printLine(out, silenceLineOf(s, state)); err != nil {
				return err
			}
			continue
		}
		t.row(string(state), s.ID, string(state), brief(s.Match.String(), 80), second(cmp.Or(s.From, s.CreatedAt)), second(s.Until),
			cmp.Or(brief(s.By, 30), "-"), brief(s.Comment, 80))
	}
	if asJSON {
		return nil
	}
	return t.flush()
}

// silenceLine is a silence as --json prints it.
type silenceLine struct {
	ID    string `json:"id"`
	State string `json:"state"`
	delivery.SilenceMatch
	From      *string `json:"from"`
	Until     *string `json:"until"`
	By        string  `json:"by"`
	Comment   string  `json:"comment"`
	CreatedAt *string `json:"created_at"`
}

func silenceLineOf(s delivery.Silence, state delivery.SilenceState) silenceLine {
	return silenceLine{
		ID: s.ID, State: string(state), SilenceMatch: s.Match, From: timestamp(cmp.Or(s.From, s.CreatedAt)), Until: timestamp(s.Until),
		By: s.By, Comment: s.Comment, CreatedAt: timestamp(s.CreatedAt),
	}
}

func silenceExpireCommand() *cobra.Command {
	var configFile string
	c := &cobra.Command{
		Use: "expire ID...", Short: "End silences now; what they held back stays so, see redrive", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			st, err := openStore(c, configFile)
			if err != nil {
				return err
			}
			defer st.Close()
			var failures []string
			for _, id := range ids {
				s, ended, err := delivery.ExpireSilence(c.Context(), st, id, time.Now().UTC())
				switch {
				case errors.Is(err, store.ErrNotFound):
					failures = append(failures, brief(id, 40)+" is unknown")
				case err != nil:
					return &exitError{exitFailed, err}
				case ended:
					fmt.Fprintln(c.OutOrStdout(), id, "has expired")
				default:
					fmt.Fprintln(c.OutOrStdout(), id, "had expired already, at", second(s.Until))
				}
			}
			if len(failures) > 0 {
				return failedf("not expired: %s", strings.Join(failures, ", "))
			}
			return nil
		},
	}
	configFlag(c, &configFile)
	return c
}

// second is a time as people read it.
func second(t time.Time) string { return t.UTC().Format(time.RFC3339) }
