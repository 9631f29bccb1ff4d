package agent

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// The metrics of a task.
const (
	metricDeliveries = "deliveries"               // how many there are, by state
	metricLatency    = "delivery_latency_seconds" // from the occurrence to its delivery: min, median, max
)

// GetTaskMetrics implements flyteidl's AsyncAgentService: the watch's deliveries by state, and
// how long they took, each as the result of a Prometheus instant query. No queries mean all.
// Errors: InvalidArgument for a bad resource_meta or an unknown query, NotFound, Unavailable.
func (s *Service) GetTaskMetrics(ctx context.Context, r *admin.GetTaskMetricsRequest) (*admin.GetTaskMetricsResponse, error) {
	ctx, cancel := answerBy(ctx)
	defer cancel()
	m, err := decodeMeta(r.GetResourceMeta())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	queries := r.GetQueries()
	if len(queries) == 0 {
		queries = []string{metricDeliveries, metricLatency}
	}
	var all []store.Delivery
	if m.Rejected == "" {
		if _, all, err = s.known(ctx, m); err != nil {
			return nil, err
		}
	}
	answer := &admin.GetTaskMetricsResponse{}
	for _, q := range queries {
		data, err := measure(q, all, time.Now())
		if err != nil {
			return nil, err
		}
		answer.Results = append(answer.Results, &core.ExecutionMetricResult{Metric: q, Data: data})
	}
	return answer, nil
}

func measure(query string, all []store.Delivery, now time.Time) (*structpb.Struct, error) {
	switch query {
	case metricDeliveries:
		return vector("state", counts(all), now)
	case metricLatency:
		return vector("stat", latencies(all), now)
	}
	return nil, status.Errorf(codes.InvalidArgument, "queries: unknown metric %q; there are %s and %s",
		cut(query, maxName), metricDeliveries, metricLatency)
}

func counts(all []store.Delivery) map[string]float64 {
	byState := map[string]float64{}
	for _, d := range all {
		byState[string(d.State)]++
	}
	return byState
}

func latencies(all []store.Delivery) map[string]float64 {
	var took []float64
	for _, d := range all {
		if d.State == store.Delivered {
			took = append(took, d.SettledAt.Sub(d.CreatedAt).Seconds())
		}
	}
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	return map[string]float64{"min": took[0], "median": took[len(took)/2], "max": took[len(took)-1]}
}

// vector is Prometheus' form of an instant query's result, sorted by label.
func vector(label string, values map[string]float64, now time.Time) (*structpb.Struct, error) {
	result := []any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		result = append(result, map[string]any{
			"metric": map[string]any{label: name},
			"value":  []any{float64(now.UnixMilli()) / 1000, strconv.FormatFloat(values[name], 'f', -1, 64)},
		})
	}
	return structpb.NewStruct(map[string]any{"resultType": "vector", "result": result})
}
