package postgres

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRiverSaysEachThingOnceInAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := quietly(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		for range 100 {
			log.Error("cannot fetch")
			log.With("id", 1).Error("cannot fetch")
			log.WithGroup("g").Warn("stuck")
			log.Info("fetched")
		}
		stopping, cancel := context.WithCancel(t.Context())
		cancel()
		log.ErrorContext(stopping, "stopped in the midst of it")
		require.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())
		<-time.After(quietFor)
		log.Error("cannot fetch")
		require.Equal(t, 3, strings.Count(out.String(), "\n"))
	})
}
