package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// What a call comes to, as metrics have it.
const (
	accepted    = "accepted"
	unknown     = "unknown"      // there is no such connection, or it takes no calls
	forged      = "forged"       // no signature, or not that of the connection's key
	stale       = "stale"        // signed too long ago, or in the future
	tooLarge    = "too_large"    //
	broken      = "broken"       // cut short, or too slow
	unreadable  = "unreadable"   // signed, but not as we know it
	tooMany     = "too_many"     // beyond a bound
	failed      = "failed"       // not recorded: the store failed, or the key cannot be read
	retryAfter  = 30             // seconds
	longestName = 63             // of a connection
	unavailable = "try again\n"  // to strangers nothing more is said
	refused     = "not let in\n" //
)

func results() []string {
	return []string{accepted, unknown, forged, stale, tooLarge, broken, unreadable, tooMany, failed}
}

// status is what a result is answered with. A service comes again for what is not 2xx; what is 4xx here will be
// no better then, but its operators see it.
func status(result string) int {
	switch result {
	case accepted:
		return http.StatusOK
	case unknown:
		return http.StatusNotFound
	case forged, stale:
		return http.StatusForbidden
	case tooLarge:
		return http.StatusRequestEntityTooLarge
	case broken, unreadable:
		return http.StatusBadRequest
	case tooMany:
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	result, err := s.call(w, r)
	s.metrics.requests.WithLabelValues(result).Inc()
	if err != nil {
		s.tell(r, result, err)
	}
	code := status(result)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch {
	case code == http.StatusServiceUnavailable, code == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		http.Error(w, unavailable, code)
	case code != http.StatusOK:
		http.Error(w, refused, code)
	default:
		w.WriteHeader(code)
	}
}

// tell logs why a call was not taken, each kind of reason once a minute.
func (s *Server) tell(r *http.Request, result string, err error) {
	s.refusals[result].Do(func() {
		s.log.WarnContext(r.Context(), "call of a service is not taken; others like it are not logged for a minute",
			"path", notifier.Cut(notifier.OneLine(r.URL.Path), 2*longestName), "result", result, "error", err)
	})
}

var (
	errBusy    = errors.New("too many calls")
	errUnknown = errors.New("there is no such connection, or its service does not call")
)

// call takes a call, and returns what it came to.
func (s *Server) call(w http.ResponseWriter, r *http.Request) (result string, err error) {
	c, listener, ok := s.listener(r.PathValue("notifier"), r.PathValue("connection"))
	if !ok {
		return unknown, errUnknown
	}
	if r.ContentLength > mostBytes {
		return tooLarge, &http.MaxBytesError{Limit: mostBytes}
	}
	address, now := addressOf(r), time.Now().UTC()
	leave, ok := s.callers.enter(address, now)
	if !ok {
		return tooMany, errBusy
	}
	defer leave()
	body, err := read(w, r)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return tooLarge, err
	}
	if err != nil {
		return broken, err
	}
	now = time.Now().UTC()
	news, err := listener.Heard(r.Header, body, now)
	if err != nil {
		return judge(err), err
	}
	s.callers.proved(address, now)
	// Whoever hangs up does not stop what is known to be true.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), recordedWithin)
	defer cancel()
	if err := s.record(ctx, c, news, now); err != nil {
		return failed, err
	}
	return accepted, nil
}

// read reads the body, which may take as long as its size lets expect.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	within := bodyWithin + time.Duration(max(r.ContentLength, 0)/bytesPerSecond)*time.Second
	err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(within))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("bound the time of a call: %w", err)
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
}

// listener finds who checks the calls to a path.
func (s *Server) listener(kind, name string) (*notifier.Connection, notifier.Listener, bool) {
	if name == "" || len(name) > longestName {
		return nil, nil, false
	}
	c, err := s.connections.Load().Find(kind, name)
	if err != nil {
		return nil, nil, false
	}
	l, ok := c.Notifier.(notifier.Listener)
	return c, l, ok
}

// judge is what a call comes to by the error of Heard.
func judge(err error) string {
	verdict, _ := notifier.VerdictOf(err)
	switch {
	case errors.Is(err, notifier.ErrNoHook):
		return unknown
	case errors.Is(err, notifier.ErrForged):
		return forged
	case errors.Is(err, notifier.ErrStale):
		return stale
	case verdict == notifier.Retry:
		return failed
	}
	return unreadable
}
