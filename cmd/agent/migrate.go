package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/migrate"
)

func migrateCommand() *cobra.Command {
	var configFile, from string
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Copy a store from SQLite to the Postgres of --config; its server must be stopped",
		Long: "Copy a store from SQLite to the Postgres of --config. The source's server must be stopped, and none can be\n" +
			"started on it afterwards: its messages are sent from Postgres. If it is interrupted, run it again.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			source, err := config.ParsePlace(from)
			if err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			if source.IsPostgres() {
				return errors.New("--from: must be the URL of a store on SQLite")
			}
			cfg, err := loadConfig(configFile)
			if err != nil {
				return err
			}
			to, err := app.PostgresOptions(cfg)
			if err != nil {
				return &exitError{exitFailed, err}
			}
			last := time.Now()
			r, err := migrate.Run(c.Context(), migrate.Options{From: source.File, To: to, Progress: func(r migrate.Result) {
				if time.Since(last) > 5*time.Second {
					last = time.Now()
					fmt.Fprintf(c.ErrOrStderr(), "%d watches, %d deliveries so far\n", r.Watches, r.Deliveries)
				}
			}})
			if err != nil {
				return failedf("migrate: %w", err)
			}
			fmt.Fprintf(c.OutOrStdout(), "copied %d watches (%d of them new there) and %d deliveries (%d new), %d of them to be sent, %d with an unknown outcome\n",
				r.Watches, r.NewWatches, r.Deliveries, r.NewDeliveries, r.Pending, r.Interrupted)
			return nil
		},
	}
	configFlag(c, &configFile)
	c.Flags().StringVar(&from, "from", "", "the store to copy: sqlite:///path (required)")
	if err := c.MarkFlagRequired("from"); err != nil {
		panic(err) // the flag was defined a line ago
	}
	return c
}
