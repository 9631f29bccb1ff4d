package sendgrid

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sendgrid/rest"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// maxWait caps what SendGrid asks for, lest a nonsensical wish park a message for days.
const maxWait = time.Hour

// verdictOf is what an answer other than success comes to. SendGrid takes a mail with 202 only:
// its documentation has 500 and 502 to 504 as "not taken, try again", while other broken servers
// may have passed the mail on.
func verdictOf(status int) notifier.Verdict {
	switch status {
	case http.StatusTooManyRequests, http.StatusTooEarly, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return notifier.Retry
	case http.StatusRequestTimeout:
		return notifier.Unknown
	}
	if status < 300 || status >= 500 {
		return notifier.Unknown
	}
	return notifier.Permanent
}

// refused is the answer as an error that says what is wrong and how to mend it, without the key.
func (c *call) refused(answer *rest.Response) error {
	text := fmt.Sprintf("sendgrid: HTTP status %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	text = strings.TrimSpace(text)
	if said := c.said(answer.Body); said != "" {
		text += ": " + said
	}
	if hint := hint(answer.StatusCode, text); hint != "" {
		text += " (" + hint + ")"
	}
	verdict := verdictOf(answer.StatusCode)
	if verdict == notifier.Retry {
		return notifier.RetryAfter(wait(answer.StatusCode, http.Header(answer.Headers), time.Now()), errors.New(text))
	}
	return verdict.Errorf("%s", text)
}

// said is SendGrid's list of errors in one line: each message with its field. What is not
// SendGrid's JSON, a proxy's page say, is left out.
func (c *call) said(body string) string {
	const most = 4
	var answer struct {
		Errors []struct {
			Message string `json:"message"`
			Field   string `json:"field"`
		} `json:"errors"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return ""
	}
	var all []string
	for _, e := range answer.Errors[:min(len(answer.Errors), most)] {
		said := c.quote(e.Message, 300)
		if e.Field != "" {
			said += " [" + c.quote(e.Field, 80) + "]"
		}
		all = append(all, said)
	}
	return strings.Join(all, "; ")
}

func hint(status int, text string) string {
	switch {
	case status == http.StatusUnauthorized:
		return "check the connection's api_key"
	case status == http.StatusForbidden && strings.Contains(strings.ToLower(text), "sender identity"):
		return "verify the connection's from under Settings > Sender Authentication"
	case status == http.StatusForbidden:
		return "give the connection's API key the permission Mail Send under Settings > API Keys"
	case status >= 300 && status < 400, status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return "check the connection's host"
	}
	return ""
}

// wait is how long SendGrid wants to be left alone: until X-Ratelimit-Reset, in seconds since
// 1970, or as Retry-After says, in seconds or as a date; the longer of the two.
func wait(status int, h http.Header, now time.Time) time.Duration {
	var longest time.Duration
	if epoch, ok := seconds(h.Get("X-Ratelimit-Reset")); ok && status == http.StatusTooManyRequests {
		longest = time.Unix(epoch, 0).Sub(now) // saturates
	}
	after := h.Get("Retry-After")
	if s, ok := seconds(after); ok {
		longest = max(longest, time.Duration(min(s, int64(maxWait/time.Second)))*time.Second)
	} else if date, err := http.ParseTime(after); err == nil {
		longest = max(longest, date.Sub(now))
	}
	return min(max(longest, 0), maxWait)
}

// seconds reads a whole number that is not negative and, as a time, not beyond all calendars.
func seconds(s string) (int64, bool) {
	const most = 1 << 40
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
		return 0, false
	}
	return min(n, most), true
}

// scrub makes an error of the HTTP client fit to be shown.
func (c *call) scrub(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err // without the URL, which is the same for every mail
	}
	if shown := c.quote(err.Error(), 300); shown != err.Error() {
		return errors.New(shown)
	}
	return err
}

// quote is text of others as an error may show it.
func (c *call) quote(s string, runes int) string {
	return cut(oneLine(strings.ReplaceAll(s, c.key, "<secret>")), runes)
}

func oneLine(s string) string { return strings.Join(strings.Fields(notifier.Printable(s)), " ") }

// cut is at most so many runes of s.
func cut(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes-1]) + "…"
}
