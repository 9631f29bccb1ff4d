package sendgrid

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/sendgrid/rest"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// verdictOf is what an answer other than success comes to. SendGrid takes a mail with 202 only. Its documentation has
// 500 and 503, "an error occurred" and "not available", and does not say whether the mail may have gone: here they, 502
// and 504 count as not taken, so that a mail which did go comes twice without being recorded so. What answers otherwise
// is not SendGrid, and may have passed the mail on. A plan without credits, which is refused with 401, gets new ones each day or month.
// https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses
// https://support.sendgrid.com/hc/en-us/articles/18322114821403
func verdictOf(status int, said string) notifier.Verdict {
	if noCredits(status, said) {
		return notifier.Retry
	}
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
	said := c.said(answer.Body)
	return c.Service.Refused(verdictOf(answer.StatusCode, said),
		exchange.Answer{Status: answer.StatusCode, Header: http.Header(answer.Headers)}, said, hint(answer.StatusCode, said))
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
		said := c.Quote(e.Message, 300)
		if e.Field != "" {
			said += " [" + c.Quote(e.Field, 80) + "]"
		}
		all = append(all, said)
	}
	return strings.Join(all, "; ")
}

// noCredits says whether the plan's mails are used up.
func noCredits(status int, said string) bool {
	return status == http.StatusUnauthorized && strings.Contains(strings.ToLower(said), "maximum credits exceeded")
}

func hint(status int, text string) string {
	switch {
	case noCredits(status, text):
		return "the plan's mails are used up: wait until SendGrid gives new ones, or take a larger plan"
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
