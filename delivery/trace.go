package delivery

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/flyte-notifier/flyte-notifier/internal/tracing"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// traced returns the context of an attempt that has begun, under a span of the transition's trace.
// end takes what the attempt came to. What was sent, and the service's words, are not told.
func (o *Outbox) traced(ctx context.Context, d store.Delivery) (_ context.Context, end func(error)) {
	ctx, span := tracing.Begin(ctx, o.tracer, d.Trace, "attempt",
		trace.WithTimestamp(d.OpenedAt), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("notifier.kind", d.Kind), attribute.String("notifier.connection", d.Connection),
			attribute.String("notifier.delivery", d.ID), attribute.Int("notifier.attempt", d.Attempts),
			attribute.Float64("notifier.age_seconds", time.Since(d.CreatedAt).Seconds())))
	return ctx, func(err error) {
		verdict, _ := notifier.VerdictOf(err)
		span.SetAttributes(attribute.String("notifier.verdict", string(verdict)))
		if err != nil {
			span.SetStatus(codes.Error, string(verdict))
		}
		span.End()
	}
}
