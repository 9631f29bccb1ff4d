package notifier_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

func TestVerdictOf(t *testing.T) {
	t.Parallel()
	cause := errors.New("boom")
	cases := map[string]struct {
		err   error
		want  notifier.Verdict
		after time.Duration
	}{
		"nothing":          {nil, notifier.Delivered, 0},
		"no verdict":       {cause, notifier.Unknown, 0},
		"retry":            {notifier.RetryAfter(time.Minute, cause), notifier.Retry, time.Minute},
		"retry at will":    {notifier.RetryAfter(0, cause), notifier.Retry, 0},
		"negative delay":   {notifier.RetryAfter(-time.Minute, cause), notifier.Retry, 0},
		"permanent":        {notifier.PermanentError(cause), notifier.Permanent, 0},
		"unknown":          {notifier.Unknown.Errorf("%w", cause), notifier.Unknown, 0},
		"wrapped":          {fmt.Errorf("send: %w", notifier.PermanentError(cause)), notifier.Permanent, 0},
		"joined":           {errors.Join(io.EOF, notifier.RetryAfter(time.Second, cause)), notifier.Retry, time.Second},
		"the outer counts": {notifier.PermanentError(notifier.RetryAfter(time.Second, cause)), notifier.Permanent, 0},
		"made of a format": {notifier.Retry.Errorf("slack: %w", cause), notifier.Retry, 0},
		"a look-up":        {fmt.Errorf("look: %w", notifier.ErrLookImpossible), notifier.Unknown, 0},
	}
	for name, tc := range cases {
		got, after := notifier.VerdictOf(tc.err)
		require.Equal(t, tc.want, got, name)
		require.Equal(t, tc.after, after, name)
	}
}

func TestVerdictErrorsKeepTextAndCause(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		notifier.RetryAfter(time.Hour, io.EOF), notifier.PermanentError(io.EOF), notifier.Unknown.Errorf("%w", io.EOF),
	} {
		require.EqualError(t, err, "EOF")
		require.ErrorIs(t, err, io.EOF)
	}
	err := notifier.Permanent.Errorf("send to %s: %w", "#a", io.EOF)
	require.EqualError(t, err, "send to #a: EOF")
	require.ErrorIs(t, err, io.EOF)
}
