package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/executor"
)

func ackCommand() *cobra.Command {
	var configFile, by string
	c := &cobra.Command{
		Use:     "ack PROJECT/DOMAIN/NAME",
		Short:   "Acknowledge what was told of an execution: no more reminders of it",
		Example: `  flyte-notifier ack ml/production/f8d3a1 --config config.yaml --by ada`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := executionID(args[0])
			if err != nil {
				return err
			}
			st, err := openStore(c, configFile)
			if err != nil {
				return err
			}
			defer st.Close()
			n, err := executor.AcknowledgeBy(c.Context(), st, id, by, time.Now().UTC())
			if err != nil {
				return &exitError{exitFailed, err}
			}
			if n > 0 {
				fmt.Fprintf(c.OutOrStdout(), "acknowledged %s: no more reminders of %s\n", id, plural(n, "occurrence"))
				return nil
			}
			known, err := executor.Remember(c.Context(), st, id)
			switch {
			case err != nil:
				return &exitError{exitFailed, err}
			case len(known) == 0:
				return failedf("nothing is known of execution %s: no watch of it is in the store", id)
			}
			return failedf("nothing to acknowledge: no reminder of %s is to come", id)
		},
	}
	configFlag(c, &configFile)
	c.Flags().StringVar(&by, "by", "", "who acknowledges it; explain shows it")
	return c
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
