package e2e

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// What happened to a task can be read with the resource meta that FlytePropeller was given.
func TestFastTimelineAndMetrics(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.run("logged", notification("tell", selfWatch("SUCCEEDED")), job("train", "tell"))
	w.awaitPhase(id, "SUCCEEDED")
	w.awaitSlack(1)
	w.awaitMail(1)
	meta := []byte(meta(t, w.toAgent.Calls("CreateTask")[0]))
	client := w.client()
	var log string
	w.eventually("both receipts are logged", func() bool {
		log = readLog(t, w.ctx, client, meta)
		return strings.Count(log, "delivered") >= 2
	})
	for _, word := range []string{"registered", "SUCCEEDED", "fired"} {
		require.Contains(t, log, word)
	}
	answer, err := client.GetTaskMetrics(w.ctx, &admin.GetTaskMetricsRequest{ResourceMeta: meta})
	require.NoError(t, err)
	require.Contains(t, answer.String(), "delivered")
}

// client speaks to the agent as flyteadmin's console would, past FlytePropeller.
func (w *world) client() service.AsyncAgentServiceClient {
	w.t.Helper()
	conn, err := grpc.NewClient(w.toAgent.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, conn.Close()) })
	return service.NewAsyncAgentServiceClient(conn)
}

// readLog reads the whole timeline as it is now, page by page.
func readLog(t *testing.T, ctx context.Context, client service.AsyncAgentServiceClient, meta []byte) string {
	t.Helper()
	var log, token string
	for {
		lines, next := readPage(t, ctx, client, &admin.GetTaskLogsRequest{ResourceMeta: meta, Token: token, Lines: 2})
		log += strings.Join(lines, "")
		if next == "" || len(lines) == 0 {
			return log
		}
		token = next
	}
}

func readPage(t *testing.T, ctx context.Context, client service.AsyncAgentServiceClient, r *admin.GetTaskLogsRequest) (lines []string, next string) {
	t.Helper()
	stream, err := client.GetTaskLogs(ctx, r)
	require.NoError(t, err)
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return lines, next
		}
		require.NoError(t, err)
		lines = append(lines, part.GetBody().GetResults()...)
		if part.GetHeader() != nil {
			next = part.GetHeader().GetToken()
		}
	}
}
