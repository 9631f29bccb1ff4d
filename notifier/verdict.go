package notifier

import (
	"errors"
	"fmt"
	"time"
)

// Verdict is what a send came to.
type Verdict string

// The verdicts. No error at all is Delivered.
const (
	Delivered Verdict = "delivered" // the service has it
	Retry     Verdict = "retry"     // it surely has not; the same again later may succeed
	Permanent Verdict = "permanent" // it surely has not, and never will take it
	Unknown   Verdict = "unknown"   // it may or may not have arrived
)

// ErrLookImpossible is wrapped by Looker.Look when the service will never answer (a missing
// scope, not a member): the message is then sent again and recorded as possibly double.
var ErrLookImpossible = errors.New("look-up impossible")

type verdictError struct {
	verdict Verdict
	after   time.Duration
	err     error
}

func (e *verdictError) Error() string { return e.err.Error() }
func (e *verdictError) Unwrap() error { return e.err }

// RetryAfter says that nothing was delivered and that the same send may succeed later. d is the
// service's own wish (Retry-After); zero or less leaves the delay to the outbox.
func RetryAfter(d time.Duration, err error) error {
	return &verdictError{verdict: Retry, after: max(d, 0), err: err}
}

// PermanentError says that the service refused for good: a bad token, an unknown channel.
func PermanentError(err error) error { return &verdictError{verdict: Permanent, err: err} }

// ErrDestinationGone is wrapped by a Send's permanent error when the service does not know the
// destination (any more). Where the exact name came from the outbox's cache, it is resolved anew
// and tried once more.
var ErrDestinationGone = errors.New("destination is gone")

// ErrForbiddenAddress is wrapped by an error of Deps.Guarded when a URL leads where it must not: to a private or
// loopback address, say. Nothing was sent.
var ErrForbiddenAddress = errors.New("forbidden address")

type unavailableError struct{ error }

func (e *unavailableError) Unwrap() error { return e.error }

// Unavailable marks an error that is not the message's: the service cannot be reached, or fails whatever it is sent
// (5xx). It keeps text and verdict. 429 is no such error, nor is a refusal: the service answers. An unknown outcome
// need not be marked.
func Unavailable(err error) error { return &unavailableError{err} }

// IsUnavailable says whether an error is marked so.
func IsUnavailable(err error) bool {
	_, ok := errors.AsType[*unavailableError](err)
	return ok
}

// VerdictOf classifies a Send's error, and returns the delay the service asked for. nil is
// Delivered; an error without a verdict is Unknown, the only safe guess.
func VerdictOf(err error) (Verdict, time.Duration) {
	if err == nil {
		return Delivered, 0
	}
	if v, ok := errors.AsType[*verdictError](err); ok {
		return v.verdict, v.after
	}
	return Unknown, 0
}

// Errorf makes a classified error from a format, as fmt.Errorf does.
func (v Verdict) Errorf(format string, args ...any) error {
	return &verdictError{verdict: v, err: fmt.Errorf(format, args...)}
}
