package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/tracing"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func serveCommand() *cobra.Command {
	var configFile, level string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the agent until SIGTERM; SIGHUP has the config read again",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			reloads := make(chan os.Signal, 1) // one that comes before the server is up waits until it is
			signal.Notify(reloads, syscall.SIGHUP)
			defer signal.Stop(reloads)
			log, err := logger(c.ErrOrStderr(), level)
			if err != nil {
				return err
			}
			cfg, err := loadConfig(configFile)
			if err != nil {
				return err
			}
			tracer, stop, err := tracing.Start(c.Context(), version(), log)
			if err != nil {
				return &exitError{exitFailed, err}
			}
			defer stop()
			err = app.Run(c.Context(), app.Options{
				Config: cfg, Version: version(), Stdout: c.OutOrStdout(), Log: log, Tracer: tracer,
				Source: &app.Source{File: configFile, Environ: os.Environ(), Signals: reloads},
			})
			if err != nil {
				return &exitError{exitFailed, err}
			}
			return nil
		},
	}
	configFlag(c, &configFile)
	c.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}

// logger writes lines for people on a terminal, and JSON for machines elsewhere.
func logger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	options := &slog.HandlerOptions{Level: l}
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return slog.New(slog.NewJSONHandler(w, options)), nil
}

func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "", "the server's config file (required)")
	if err := c.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag was defined a line ago
	}
}

// loadConfig reads a config file; its problems are one error that lists them.
func loadConfig(file string) (*config.Config, error) {
	cfg, problems, err := config.Load(file, os.Environ(), builtin.Registry(io.Discard))
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if len(problems) > 0 {
		return nil, failedf("%s is invalid:\n%s", file, config.Problems(problems))
	}
	return cfg, nil
}

// openStore opens the store of a config file for a command beside the server.
func openStore(c *cobra.Command, file string) (store.Store, error) {
	cfg, err := loadConfig(file)
	if err != nil {
		return nil, err
	}
	st, err := app.OpenStore(c.Context(), cfg)
	if err != nil {
		return nil, &exitError{exitFailed, err}
	}
	return st, nil
}
