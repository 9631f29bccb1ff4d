package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// OpenAdmin returns a client for the flyteadmin of a config, for a command beside the server.
func OpenAdmin(ctx context.Context, c *config.Config) (*flyte.Client, error) {
	client, err := flyte.Dial(ctx, c.Admin, c.Flyte.ConsoleURL)
	if err != nil {
		return nil, fmt.Errorf("connect to flyteadmin: %w", err)
	}
	return client, nil
}

// Facts reads what these rules look at of an execution, or of a node of it.
func Facts(ctx context.Context, admin *flyte.Client, id flyte.ExecutionID, node string, rules ...spec.Rule) (executor.Facts, error) {
	f, err := executor.Gather(ctx, admin, id, node, rules)
	if errors.Is(err, flyte.ErrNotFound) {
		return f, fmt.Errorf("flyteadmin does not know execution %s", id)
	}
	return f, err
}
