package teams

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// hidden matches what the older connectors of Office 365 answer with status 200 where Teams refused.
// https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
var hidden = regexp.MustCompile(`Microsoft Teams endpoint returned HTTP error (\d{3})\b`)

// verdictOf is what an answer comes to. A workflow answers 202, or what its Response action says; that it was started
// is all that we hear. A page, even with 200, is a proxy's or that of somebody's login.
func verdictOf(a exchange.Answer) notifier.Verdict {
	verdict := exchange.VerdictOf(a.Status)
	switch {
	case verdict != notifier.Delivered, a.Status == http.StatusAccepted:
		return verdict
	case page(a):
		return exchange.VerdictOfOther(a.Status)
	}
	if found := hidden.FindSubmatch(a.Body); found != nil {
		status, err := strconv.Atoi(string(found[1]))
		if other := exchange.VerdictOf(status); err == nil && other != notifier.Delivered {
			return other
		}
	}
	return notifier.Delivered
}

// page says whether an answer is one for people.
func page(a exchange.Answer) bool {
	return strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<"))
}

// refused is the answer as an error that says what is wrong and how to mend it, without the URL.
func refused(s exchange.Service, a exchange.Answer) error {
	said := explanation(s, a.Body)
	return s.Refused(verdictOf(a), a, said, hint(a.Status, said))
}

// explanation is the code and message of Power Automate's error, or what an old connector says. What is neither, a
// proxy's page say, is left out.
func explanation(s exchange.Service, body []byte) string {
	if found := hidden.Find(body); found != nil {
		return string(found)
	}
	var answer struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return ""
	}
	return strings.Trim(s.Quote(answer.Error.Code, 80)+": "+s.Quote(answer.Error.Message, 300), ": ")
}

// hint is the way to mend it. Codes are those of the workflow engine, which is Azure's Logic Apps.
func hint(status int, said string) string {
	has := func(part string) bool { return strings.Contains(strings.ToLower(said), part) }
	switch {
	case has("notenabled"), has("disabled"), has("suspended"):
		return "turn the workflow on in Power Automate"
	case status == http.StatusUnauthorized:
		return "copy the webhook URL anew, with all of its query: its signature is missing or not valid any more"
	case status == http.StatusForbidden:
		return "let anyone trigger the workflow, and check its owner's licence and the IP addresses that it allows"
	case status == http.StatusNotFound, status == http.StatusGone:
		return "the workflow does not exist any more: make a new one, and give its URL to the connection"
	case status == http.StatusBadRequest:
		return "the workflow must begin with \"When a Teams webhook request is received\""
	case status == http.StatusRequestEntityTooLarge:
		return "the card is over Teams' 28 KB"
	case status >= 200 && status < 300 && said == "":
		return "a page answered, and no workflow: check the connection's url, and what stands between"
	case status >= 300 && status < 400, status == http.StatusMethodNotAllowed:
		return "check the connection's url"
	}
	return ""
}
