package executor

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/flyte-notifier/flyte-notifier/internal/tracing"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// commit moves a watch, under a span from the time that its facts were judged. The span is in the
// trace of the call that registered the watch, and its deliveries carry it on.
func (n *NotifierExecutor) commit(ctx context.Context, t store.Transition, judged time.Time) error {
	ctx, span := tracing.Begin(ctx, n.tracer, t.Watch.Trace, "transition", trace.WithTimestamp(judged))
	defer span.End()
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("flyte.project", t.Watch.Execution.Project), attribute.String("flyte.domain", t.Watch.Execution.Domain),
			attribute.String("flyte.execution", t.Watch.Execution.Name), attribute.String("flyte.node", t.Watch.Node),
			attribute.String("notifier.watch", t.Watch.ID), attribute.String("flyte.phase", t.Watch.Phase),
			attribute.Int("notifier.deliveries", len(t.Deliveries)))
	}
	carried := tracing.Carry(ctx)
	for i := range t.Deliveries {
		t.Deliveries[i].Trace = carried
	}
	err := n.store.Move(ctx, t)
	if err != nil {
		span.SetStatus(codes.Error, "not stored") // the log says why
		return err
	}
	for _, note := range t.Notes {
		n.clock.set(note.Due)
	}
	for _, d := range t.Deliveries {
		n.bundleClock.set(d.HeldUntil)
	}
	return nil
}
