package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func watchesCommand() *cobra.Command {
	return listing[store.Watch]{
		use: "watches", short: "List watches: which executions are followed",
		states: []string{"active", "ended", "cancelled", "lost"},
		header: []string{"ID", "STATE", "EXECUTION", "NODE", "PHASE", "KIND", "CREATED", "REASON"},
		cells: func(w store.Watch, now time.Time) []string {
			return []string{
				w.ID, string(w.State), brief(w.Execution.String(), 60), brief(w.Node, 30), w.Phase,
				string(w.Kind), ago(w.CreatedAt, now), brief(w.Reason, 80),
			}
		},
		state: func(w store.Watch) string { return string(w.State) },
		line: func(w store.Watch) any {
			return watchLine{
				ID: w.ID, Kind: string(w.Kind), State: string(w.State),
				Project: w.Execution.Project, Domain: w.Execution.Domain, Name: w.Execution.Name, Node: w.Node,
				Phase: w.Phase, Wait: w.Wait, Attempt: w.Attempt, Reason: w.Reason,
				CreatedAt: timestamp(w.CreatedAt), EndedAt: timestamp(w.EndedAt),
			}
		},
		read: func(ctx context.Context, st store.Store, f store.Filter, yield func(store.Watch) error) error {
			return st.Watches(ctx, f, yield)
		},
	}.command()
}

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
