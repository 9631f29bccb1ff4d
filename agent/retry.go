package agent

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	callTimeout  = 3 * time.Second        // of FlytePropeller's agent-service plugin
	answerMargin = 500 * time.Millisecond // kept before a call's deadline to answer in
	readTimeout  = time.Second            // of one look into the store
	firstPause   = 10 * time.Millisecond  // between tries to write
	longestPause = 200 * time.Millisecond
)

// answerBy bounds a call so that its answer still arrives: before the caller's deadline, and
// before FlytePropeller's own where the caller names none.
func answerBy(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, answerTime(ctx))
}

func answerTime(ctx context.Context) time.Duration {
	left := callTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return left - min(answerMargin, left/2)
}

// lookBy bounds a read that is answered in any case.
func lookBy(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(answerTime(ctx), readTimeout))
}

// retry calls write until it succeeds or ctx ends. Its error is Unavailable, with the last that
// write gave for a reason of its own.
func (s *Service) retry(ctx context.Context, what string, write func() error) error {
	var cause error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := write()
		if err == nil {
			return nil
		}
		if cause == nil || ctx.Err() == nil {
			cause = err
		}
		select {
		case <-ctx.Done():
			return unavailable(what, cause)
		case <-time.After(pause):
			s.Log.WarnContext(ctx, "trying again", "operation", what, "error", err)
		}
	}
}

func unavailable(what string, err error) error {
	return status.Errorf(codes.Unavailable, "%s: %v", what, err)
}
