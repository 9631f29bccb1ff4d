package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// watchLine is a watch as --json prints it.
type watchLine struct {
	ID        string  `json:"id"`
	Kind      string  `json:"kind"`
	State     string  `json:"state"`
	Project   string  `json:"project"`
	Domain    string  `json:"domain"`
	Name      string  `json:"name"`
	Node      string  `json:"node,omitempty"`
	Phase     string  `json:"phase"`
	Wait      bool    `json:"wait"`
	Attempt   uint32  `json:"attempt"`
	Reason    string  `json:"reason,omitempty"`
	CreatedAt *string `json:"created_at"`
	EndedAt   *string `json:"ended_at"`
}

func watchesCommand() *cobra.Command {
	var configFile, state string
	var asJSON bool
	var limit int
	c := &cobra.Command{
		Use:   "watches",
		Short: "List watches: which executions are followed",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch store.WatchState(state) {
			case "", store.Active, store.Ended, store.Cancelled, store.Lost:
			default:
				return &exitError{exitUsage, errState(state)}
			}
			st, err := openStore(c, configFile)
			if err != nil {
				return err
			}
			defer st.Close()
			f := store.Filter{State: state, Limit: limit}
			if asJSON {
				return st.Watches(c.Context(), f, func(w store.Watch) error {
					return printLine(c.OutOrStdout(), watchLine{
						ID: w.ID, Kind: string(w.Kind), State: string(w.State),
						Project: w.Execution.Project, Domain: w.Execution.Domain, Name: w.Execution.Name, Node: w.Node,
						Phase: w.Phase, Wait: w.Wait, Attempt: w.Attempt, Reason: w.Reason,
						CreatedAt: timestamp(w.CreatedAt), EndedAt: timestamp(w.EndedAt),
					})
				})
			}
			t := newTable(c.OutOrStdout(), "ID", "STATE", "EXECUTION", "NODE", "PHASE", "KIND", "CREATED", "REASON")
			now := time.Now()
			err = st.Watches(c.Context(), f, func(w store.Watch) error {
				t.row(t.paint(w.ID, ""), t.paint(string(w.State), string(w.State)), t.paint(brief(w.Execution.String(), 60), ""),
					t.paint(brief(w.Node, 30), ""), t.paint(w.Phase, w.Phase), t.paint(string(w.Kind), ""),
					t.paint(ago(w.CreatedAt, now), ""), t.paint(brief(w.Reason, 80), ""))
				return nil
			})
			if err != nil {
				return err
			}
			return t.flush()
		},
	}
	configFlag(c, &configFile)
	c.Flags().StringVar(&state, "state", "", "only those that are active, ended, cancelled or lost")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	c.Flags().IntVar(&limit, "limit", 0, "only the newest so many, newest first; 0 lists all, oldest first")
	return c
}
