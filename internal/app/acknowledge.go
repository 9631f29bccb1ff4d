package app

import (
	"context"
	"time"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// acknowledged ends the reminders of an execution that somebody has acknowledged in a service.
func (s *server) acknowledged(ctx context.Context, reminder store.Delivery, by string) error {
	n, err := executor.Acknowledge(ctx, s.store, reminder.Execution, time.Now().UTC())
	if err == nil {
		s.Log.InfoContext(ctx, "acknowledged", "execution", reminder.Execution.String(), "by", by, "occurrences", n)
	}
	return err
}
