package agent

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// register stores the watch, again and again until just before the deadline.
func (s *Service) register(ctx context.Context, w store.Watch) error {
	ctx, cancel := answerBy(ctx)
	defer cancel()
	return s.retry(ctx, "store the watch", func() error {
		_, err := s.Store.Register(ctx, w)
		return err
	})
}

// cancel ends a waiting watch in the same way.
func (s *Service) cancel(ctx context.Context, m meta) error {
	return s.retry(ctx, "cancel the watch", func() error {
		return s.Store.Cancel(ctx, m.Watch, m.Attempt, "its task was aborted or timed out", time.Now().UTC())
	})
}

// retry calls write until it succeeds or ctx ends, and returns its last error then.
func (s *Service) retry(ctx context.Context, what string, write func() error) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		err := write()
		if err == nil {
			return nil
		}
		s.Log.WarnContext(ctx, "the store fails", "operation", what, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func unavailable(what string, err error) error {
	return status.Errorf(codes.Unavailable, "%s: %v", what, err)
}
