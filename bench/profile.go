package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

// roleAgent is the agent itself, with a profile: the product has no door for one.
const roleAgent = "role-agent"

// serveProfiled serves a config until SIGTERM, and writes a profile of the CPU and one of the
// memory. Arguments: the config, and the profiles' path without its ending.
func serveProfiled(args []string) error {
	profile, err := os.Create(args[1] + ".cpu")
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(profile); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	cfg, problems, err := config.Load(args[0], os.Environ(), builtin.Registry(io.Discard))
	if err != nil || len(problems) > 0 {
		return fmt.Errorf("read %s: %w%v", args[0], err, problems)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err = app.Run(ctx, app.Options{Config: cfg, Stdout: io.Discard, Log: slog.New(slog.NewJSONHandler(os.Stderr, nil))})
	pprof.StopCPUProfile()
	heap, createErr := os.Create(args[1] + ".heap")
	if createErr == nil {
		createErr = errors.Join(pprof.WriteHeapProfile(heap), heap.Close())
	}
	return errors.Join(err, createErr, profile.Close())
}
