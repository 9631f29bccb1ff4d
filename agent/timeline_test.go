package agent_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// logs reads a page of a task's logs, and the token to go on from.
func (w *world) logs(r *admin.GetTaskLogsRequest) (texts []string, token string, err error) {
	w.t.Helper()
	stream, err := w.async.GetTaskLogs(w.context(), r)
	require.NoError(w.t, err)
	for headers := 0; ; {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			require.Equal(w.t, 1, headers)
			return texts, token, nil
		}
		if err != nil {
			return nil, "", err
		}
		if h := part.GetHeader(); h != nil {
			require.Empty(w.t, texts, "the header comes first")
			token = h.GetToken()
			headers++
		}
		for i, l := range part.GetBody().GetStructuredLines() {
			require.Equal(w.t, l.GetTimestamp().AsTime().Format(time.RFC3339Nano)+" "+l.GetMessage(), part.GetBody().GetResults()[i])
			require.Equal(w.t, admin.LogLineOriginator_SYSTEM, l.GetOriginator())
			require.True(w.t, strings.HasSuffix(l.GetMessage(), "\n"))
			texts = append(texts, strings.TrimSpace(l.GetMessage()))
		}
	}
}

// happen adds events to the only watch.
func (w *world) happen(events ...store.Event) {
	w.t.Helper()
	for i := range events {
		events[i].At = time.Now().UTC()
	}
	require.NoError(w.t, w.db.Move(w.t.Context(), store.Transition{Watch: w.watch(), Events: events}))
}

func TestLogsArePaged(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, object{"rules": rules()}))
		w.happen(store.Event{Kind: "phase", Text: "RUNNING"}, store.Event{Kind: "phase", Text: "FAILED"}, store.Event{Kind: "fired", Text: "rule phase-failed"})
		page := func(token string, lines uint64) ([]string, string) {
			texts, next, err := w.logs(&admin.GetTaskLogsRequest{ResourceMeta: meta, Token: token, Lines: lines})
			require.NoError(w.t, err)
			return texts, next
		}
		texts, token := page("", 2)
		require.Equal(w.t, []string{"registered attempt 0", "phase RUNNING"}, texts)
		texts, token = page(token, 2)
		require.Equal(w.t, []string{"phase FAILED", "fired rule phase-failed"}, texts)
		texts, next := page(token, 2)
		require.Empty(w.t, texts)
		require.Equal(w.t, token, next, "more may come")

		w.move(ended("FAILED"), w.delivery("d1"))
		w.happen(store.Event{Kind: "ended", Text: "FAILED"})
		texts, next = page(token, 0)
		require.Equal(w.t, []string{"ended FAILED"}, texts)
		require.NotEmpty(w.t, next, "a delivery is pending")
		w.settle("d1", store.Outcome{State: store.Delivered, Event: store.Event{At: time.Now(), Kind: "delivered", Text: "slack #ml ts=1.2"}})
		texts, next = page(next, 0)
		require.Equal(w.t, []string{"delivered slack #ml ts=1.2"}, texts)
		require.Empty(w.t, next, "that was all")
		texts, _ = page("", 0)
		require.Len(w.t, texts, 6)
		texts, next = page("", 6)
		require.Len(w.t, texts, 6)
		require.NotEmpty(w.t, next, "a full page cannot tell")
		texts, next = page(next, 6)
		require.Empty(w.t, texts)
		require.Empty(w.t, next)
	})
}

func TestLogsHoldManyLargeLines(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, object{"rules": rules()}))
		for i := range 12 {
			var events []store.Event
			for j := range 100 {
				events = append(events, store.Event{Kind: "phase", Text: fmt.Sprint(i*100+j) + " " + strings.Repeat("x", 3000)})
			}
			w.happen(events...)
		}
		w.happen(store.Event{Kind: "phase", Text: strings.Repeat("x", 20_000)})
		texts, token, err := w.logs(&admin.GetTaskLogsRequest{ResourceMeta: meta, Lines: 1 << 60})
		require.NoError(w.t, err)
		require.Len(w.t, texts, 1000)
		require.True(w.t, strings.HasPrefix(texts[999], "phase 998 xxx"), texts[999][:20])
		texts, _, err = w.logs(&admin.GetTaskLogsRequest{ResourceMeta: meta})
		require.NoError(w.t, err)
		require.Len(w.t, texts, 100, "the default")
		texts, _, err = w.logs(&admin.GetTaskLogsRequest{ResourceMeta: meta, Token: token, Lines: 1000})
		require.NoError(w.t, err)
		require.Len(w.t, texts, 202)
		require.InDelta(w.t, 8<<10, len(texts[201]), 100)
	})
}

func TestLogsThatCannotBe(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, object{"rules": rules()}))
		for _, token := range []string{"x", "-1", "9999999999999999999", strings.Repeat("9", 1000)} {
			_, _, err := w.logs(&admin.GetTaskLogsRequest{ResourceMeta: meta, Token: token})
			require.Equal(w.t, codes.InvalidArgument, status.Code(err))
			require.ErrorContains(w.t, err, "token: ")
			require.Less(w.t, len(err.Error()), 300)
		}
		_, _, err := w.logs(&admin.GetTaskLogsRequest{ResourceMeta: []byte("junk")})
		require.Equal(w.t, codes.InvalidArgument, status.Code(err))
		require.ErrorContains(w.t, err, "resource_meta: ")
		_, _, err = w.logs(&admin.GetTaskLogsRequest{ResourceMeta: []byte(`{"v":1,"watch":"gone"}`)})
		require.Equal(w.t, codes.NotFound, status.Code(err))

		for _, method := range append(reads(), "Events") {
			w.store.fault(hanging, method)
			_, _, err = w.logs(&admin.GetTaskLogsRequest{ResourceMeta: meta})
			require.Equal(w.t, codes.Unavailable, status.Code(err), "%s: %v", method, err)
			w.store.fault(nil, method)
		}
	})
}

func TestLogsOfARejection(t *testing.T) {
	bubble(t, func(w *world) {
		texts, token, err := w.logs(&admin.GetTaskLogsRequest{ResourceMeta: w.create(request(w.t, object{}))})
		require.NoError(w.t, err)
		require.Empty(w.t, token)
		require.Len(w.t, texts, 1)
		require.Contains(w.t, texts[0], "rules: required")
	})
}

func (w *world) metrics(meta []byte, queries ...string) (*admin.GetTaskMetricsResponse, error) {
	return w.async.GetTaskMetrics(w.context(), &admin.GetTaskMetricsRequest{ResourceMeta: meta, Queries: queries})
}

// samples reads a Prometheus vector by the given label.
func samples(t *testing.T, r *core.ExecutionMetricResult, label string) map[string]string {
	t.Helper()
	data := r.GetData().AsMap()
	require.Equal(t, "vector", data["resultType"])
	values := map[string]string{}
	for _, s := range data["result"].(list) {
		pair := s.(object)["value"].(list)
		require.InDelta(t, time.Now().Unix(), pair[0], 60)
		values[s.(object)["metric"].(object)[label].(string)] = pair[1].(string)
	}
	return values
}

func TestMetrics(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, object{"rules": rules()}))
		got, err := w.metrics(meta)
		require.NoError(w.t, err)
		require.Len(w.t, got.GetResults(), 2)
		require.Empty(w.t, samples(w.t, got.GetResults()[0], "state"))
		require.Empty(w.t, samples(w.t, got.GetResults()[1], "stat"))

		w.move(ended("FAILED"), w.delivery("d1"), w.delivery("d2"), w.delivery("d3"), w.delivery("d4"), w.delivery("d5"))
		for i, id := range []string{"d1", "d2", "d3"} {
			<-time.After(time.Duration(i+1) * time.Second)
			w.settle(id, store.Outcome{State: store.Delivered})
		}
		w.settle("d4", store.Outcome{State: store.Dead})
		got, err = w.metrics(meta)
		require.NoError(w.t, err)
		require.Equal(w.t, "deliveries", got.GetResults()[0].GetMetric())
		require.Equal(w.t, map[string]string{"delivered": "3", "dead": "1", "pending": "1"}, samples(w.t, got.GetResults()[0], "state"))
		require.Equal(w.t, map[string]string{"min": "1", "median": "3", "max": "6"}, samples(w.t, got.GetResults()[1], "stat"))

		got, err = w.metrics(meta, "delivery_latency_seconds")
		require.NoError(w.t, err)
		require.Len(w.t, got.GetResults(), 1)
	})
}

func TestMetricsThatCannotBe(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, object{"rules": rules()}))
		_, err := w.metrics(meta, "deliveries", "cpu"+strings.Repeat("x", 1000))
		require.Equal(w.t, codes.InvalidArgument, status.Code(err))
		require.ErrorContains(w.t, err, `queries: unknown metric "cpux`)
		require.Less(w.t, len(err.Error()), 400)
		_, err = w.metrics([]byte("junk"))
		require.Equal(w.t, codes.InvalidArgument, status.Code(err))
		_, err = w.metrics([]byte(`{"v":1,"watch":"gone"}`))
		require.Equal(w.t, codes.NotFound, status.Code(err))
		w.store.fault(failing(errDisk), "Watch")
		_, err = w.metrics(meta)
		require.Equal(w.t, codes.Unavailable, status.Code(err))
		got, err := w.metrics(w.create(request(w.t, object{})))
		require.NoError(w.t, err, "a rejection needs no store")
		require.Len(w.t, got.GetResults(), 2)
	})
}
