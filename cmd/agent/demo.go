package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/demo"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Tell the story on this machine: a simulated Flyte, Slack and SendGrid, and the real agent",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			if err := demo.Run(c.Context(), out, colored(out), serveDemo); err != nil {
				return &exitError{exitFailed, err}
			}
			return nil
		},
	}
}

// serveDemo runs the server as serve does, without its log in the story.
func serveDemo(ctx context.Context, configFile string, ready func(grpc string)) error {
	cfg, err := loadConfig(configFile)
	if err != nil {
		return err
	}
	return app.Run(ctx, app.Options{
		Config: cfg, Stdout: io.Discard, Log: slog.New(slog.DiscardHandler),
		Ready: func(grpc, _ string) { ready(grpc) },
	})
}
