package exchange

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// mostWait caps what a service asks for, lest a nonsensical wish park a message for days.
const mostWait = time.Hour

// VerdictOf is what a status comes to where a service does not say otherwise: any 2xx is delivered; 429, 425 and 503
// were surely not taken, and may be later; after 408 and the other 5xx, and after an answer that is none (1xx), nobody
// knows; the rest is refused for good, redirects among it, since they are not followed.
// RFC 9110 section 15 and, for 425, RFC 8470.
func VerdictOf(status int) notifier.Verdict {
	switch status {
	case http.StatusTooManyRequests, http.StatusTooEarly, http.StatusServiceUnavailable:
		return notifier.Retry
	case http.StatusRequestTimeout:
		return notifier.Unknown
	}
	switch {
	case status >= 200 && status < 300:
		return notifier.Delivered
	case status < 200 || status >= 500:
		return notifier.Unknown
	}
	return notifier.Permanent
}

// VerdictOfOther is VerdictOf for an answer that is not what the service says when it takes a message: with 2xx it may be
// somebody else's, a proxy's say, and nobody knows.
func VerdictOfOther(status int) notifier.Verdict {
	if verdict := VerdictOf(status); verdict != notifier.Delivered {
		return verdict
	}
	return notifier.Unknown
}

// Refused is an answer as an error of this verdict: its status, what the service said and what to do about it, the
// latter two where they are not empty. said is the service's own text, without secrets already (see Quote).
func (s Service) Refused(verdict notifier.Verdict, a Answer, said, hint string) error {
	text := strings.TrimSpace(fmt.Sprintf("%s: HTTP status %d %s", s.Name, a.Status, http.StatusText(a.Status)))
	if said != "" {
		text += ": " + said
	}
	if hint != "" {
		text += " (" + hint + ")"
	}
	err := verdict.Errorf("%s", text)
	if verdict == notifier.Retry {
		err = notifier.RetryAfter(Wait(a.Status, a.Header, time.Now()), errors.New(text))
	}
	if a.Status >= http.StatusInternalServerError {
		return notifier.Unavailable(err)
	}
	return err
}

// Reading is the verdict of a request that only reads: nothing was sent, so that what is unknown may simply be asked
// again.
func Reading(err error) error {
	if verdict, _ := notifier.VerdictOf(err); verdict == notifier.Unknown {
		return notifier.RetryAfter(0, err)
	}
	return err
}

// Wait is how long a service wants to be left alone, at most an hour: the longer of Retry-After, in seconds or as a
// date (RFC 9110 section 10.2.3), and, with 429, X-Ratelimit-Reset, in seconds or milliseconds since 1970, in seconds
// from now, or as a date, for services differ. Nonsense is no wish.
func Wait(status int, h http.Header, now time.Time) time.Duration {
	longest := until(h.Get("Retry-After"), now)
	if status == http.StatusTooManyRequests {
		longest = max(longest, until(epoch(h.Get("X-Ratelimit-Reset")), now))
	}
	return min(max(longest, 0), mostWait)
}

// until reads seconds from now, some services give fractions, or a date.
func until(text string, now time.Time) time.Duration {
	if s, ok := seconds(text); ok {
		return time.Duration(min(s, mostWait.Seconds()) * float64(time.Second))
	}
	if date, err := http.ParseTime(text); err == nil {
		return date.Sub(now)
	}
	return 0
}

// epoch is seconds since 1970 as a date, or milliseconds, which were more in 1973 than seconds will be in 5138. Fewer than
// there were in 2001 are seconds from now, and stay.
func epoch(text string) string {
	const year2001, year5138, year9999 = 1e9, 1e11, 253402300799
	if s, ok := seconds(text); ok && s >= year2001 {
		if s >= year5138 {
			s /= 1000
		}
		return time.Unix(int64(min(s, year9999)), 0).UTC().Format(http.TimeFormat)
	}
	return text
}

// seconds reads a number that is not negative, of any size.
func seconds(text string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return n, n >= 0
}
