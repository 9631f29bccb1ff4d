package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

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
	Receipt        notifier.Receipt `json:"receipt"`
}

func lineOf(d store.Delivery) deliveryLine {
	l := deliveryLine{
		ID: d.ID, Key: d.Key, State: string(d.State), Rule: d.Rule, Reason: d.Reason,
		Project: d.Execution.Project, Domain: d.Execution.Domain, Name: d.Execution.Name,
		Notifier: d.Kind, Connection: d.Connection, Destination: d.Address,
		Attempts: d.Attempts, LastError: d.LastError, TemplateError: d.RenderError, PossiblyDouble: d.Double,
		CreatedAt: timestamp(d.CreatedAt), Receipt: d.Receipt,
	}
	if d.State == store.Delivered {
		l.DeliveredAt = timestamp(d.SettledAt)
	}
	return l
}

func deliveriesCommand() *cobra.Command {
	var configFile, state string
	var asJSON bool
	var limit int
	c := &cobra.Command{
		Use:   "deliveries",
		Short: "List deliveries: what was told to whom, and what was not",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch store.DeliveryState(state) {
			case "", store.Pending, store.Delivered, store.Dead, store.Superseded, store.Silenced:
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
				return st.Deliveries(c.Context(), f, func(d store.Delivery) error { return printLine(c.OutOrStdout(), lineOf(d)) })
			}
			t := newTable(c.OutOrStdout(), "ID", "STATE", "EXECUTION", "RULE", "TO", "ATTEMPTS", "CREATED", "LAST ERROR")
			now := time.Now()
			err = st.Deliveries(c.Context(), f, func(d store.Delivery) error {
				t.row(t.paint(d.ID, ""), t.paint(string(d.State), string(d.State)), t.paint(brief(d.Execution.String(), 60), ""),
					t.paint(brief(d.Rule, 30), ""), t.paint(brief(d.Kind+" "+d.Address, 40), ""), t.paint(strconv.Itoa(d.Attempts), ""),
					t.paint(ago(d.CreatedAt, now), ""), t.paint(brief(d.LastError, 80), ""))
				return nil
			})
			if err != nil {
				return err
			}
			return t.flush()
		},
	}
	configFlag(c, &configFile)
	c.Flags().StringVar(&state, "state", "", "only those that are pending, delivered, dead, superseded or silenced")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	c.Flags().IntVar(&limit, "limit", 0, "only the newest so many, newest first; 0 lists all, oldest first")
	return c
}
