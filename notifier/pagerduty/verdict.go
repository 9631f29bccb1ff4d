package pagerduty

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// refused is the answer as an error that says what is wrong and how to mend it, without the key. PagerDuty takes an event
// with 202 only. After a 5xx the event may have been taken; sent again with its dedup_key it comes to the same alert, so
// that unknown costs nothing.
// https://developer.pagerduty.com/docs/events-api-v2-overview
func refused(s exchange.Service, a exchange.Answer) error {
	said := explanation(s, a.Body)
	return s.Refused(exchange.VerdictOfOther(a.Status), a, said, hint(a.Status, said))
}

// explanation is PagerDuty's list of errors in one line, or its message. What is not its JSON, a proxy's page say, is
// left out.
func explanation(s exchange.Service, body []byte) string {
	const most = 4
	var answer struct {
		Message string          `json:"message"`
		Errors  json.RawMessage `json:"errors"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return ""
	}
	var all []string
	if err := json.Unmarshal(answer.Errors, &all); err != nil || len(all) == 0 {
		return s.Quote(answer.Message, 300)
	}
	return s.Quote(strings.Join(all[:min(len(all), most)], "; "), 600)
}

func hint(status int, said string) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusBadRequest && (strings.Contains(said, "routing_key") || strings.Contains(strings.ToLower(said), "routing key")):
		return "check the connection's routing_key: the integration key of an Events API v2 integration, and its region"
	case status == http.StatusRequestEntityTooLarge:
		return "the event is over PagerDuty's 512 KB"
	case status >= 300 && status < 400, status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return "check the connection's api_url"
	}
	return ""
}
