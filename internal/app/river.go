package app

import (
	"context"
	"fmt"
	"log/slog"

	"riverqueue.com/riverui"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/probe"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// riverPath is where River's page is.
const riverPath = "/river"

// checkRiver reads the password once, so that a server whose page nobody could enter does not start.
func checkRiver(ui *config.RiverUI) []notifier.Problem {
	if ui == nil {
		return nil
	}
	if _, err := ui.Password.Value(); err != nil {
		return []notifier.Problem{{Path: "server.river_ui.password", Text: err.Error()}}
	}
	return nil
}

// pages are the pages of server.http beside its own: River's, if it is on. It works until ctx ends.
func (s *server) pages(ctx context.Context) ([]probe.Page, error) {
	ui := s.Config.Server.RiverUI
	pg, ok := s.engine.(*postgres.Store)
	if ui == nil || !ok {
		return nil, nil
	}
	h, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(pg.River(), nil), Prefix: riverPath, Logger: slog.New(s.Log.Handler()).With("part", "river_ui"),
	})
	if err != nil {
		return nil, fmt.Errorf("make River's page: %w", err)
	}
	if err := h.Start(ctx); err != nil {
		return nil, fmt.Errorf("start River's page: %w", err)
	}
	return []probe.Page{{Path: riverPath, Handler: probe.Guarded(ui.User, ui.Password.Value, h)}}, nil
}
