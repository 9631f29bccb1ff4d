package e2e

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// A pod is replaced while Slack hangs: the old one ends in time, the new one sends.
func TestStopHandsBackWhatHangs(t *testing.T) {
	w := newWorld(t, deliveryTimeout(patience))
	w.slack.Fail("chat.postMessage", slacksim.Fault{Hang: true})
	w.start()
	id := w.run("replaced", notification("tell", selfWatch("SUCCEEDED")), job("train", "tell"))
	w.awaitPhase(id, "SUCCEEDED")
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	require.NoError(t, w.slack.AwaitCalls(ctx, "chat.postMessage", 1))
	w.stopAgent()
	w.startAgent()
	w.toldOnce("SUCCEEDED")
}
