package webhook

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// verdictOf is what the answer comes to. A chat's 2xx that is not its own, the page of somebody's login say, tells
// nothing of the message. Its 503 without a wish may be a proxy's, Envoy's for example, that had passed the request on:
// who cannot tell a copy may have the message then.
func (c *Config) verdictOf(a exchange.Answer) notifier.Verdict {
	verdict := exchange.VerdictOf(a.Status)
	switch {
	case !c.chat():
		return verdict
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "":
		return notifier.Unknown
	case verdict == notifier.Delivered && !c.taken(a.Body):
		return exchange.VerdictOfOther(a.Status)
	}
	return verdict
}

// taken says whether this is what the chat answers when it has taken a message: Mattermost with ok, and the others with
// the message that they made of it, which Discord does only where it is asked to wait.
func (c *Config) taken(body []byte) bool {
	if c.Format == formatMattermost {
		return string(bytes.TrimSpace(body)) == "ok"
	}
	said := madeOf(body)
	if c.Format == formatGoogleChat {
		return said.Name != ""
	}
	return said.ID != ""
}

// made is what a chat says of the message that it made. Another's answer is an empty one.
type made struct {
	ID      string `json:"id"`
	Channel string `json:"channel_id"`
	Name    string `json:"name"`
}

func madeOf(body []byte) made {
	var said made
	_ = json.Unmarshal(body, &said) // what is of another type stays empty, and all of what is no JSON
	return said
}

// refused is the answer as an error that says what is wrong and how to mend it.
func (n *Notifier) refused(l *line, verdict notifier.Verdict, a exchange.Answer) error {
	said := understand(a.Body)
	err := l.Refused(verdict, a, l.Quote(said.text, 300), n.hint(a.Status, said.code))
	if verdict != notifier.Retry {
		return err
	}
	if n.config.Format != formatDiscord { // others may mean milliseconds by it, or anything
		return err
	}
	_, wait := notifier.VerdictOf(err)
	return notifier.RetryAfter(max(wait, said.wait), err)
}

// answer is what a service said, as far as it is JSON of a form we know.
type answer struct {
	text string
	code int           // Discord's
	wait time.Duration // Discord's, which has fractions of a second that its header has not
}

// understand reads the error messages of Discord and Mattermost (message), ntfy (error) and Google Chat (error.message),
// whose forms others share.
func understand(body []byte) answer {
	const longest = 3600
	var said struct {
		Message    any `json:"message"`
		Error      any `json:"error"`
		Code       any `json:"code"`
		RetryAfter any `json:"retry_after"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return answer{}
	}
	var a answer
	if seconds, ok := said.RetryAfter.(float64); ok {
		a.wait = time.Duration(min(max(seconds, 0), longest) * float64(time.Second))
	}
	if code, ok := said.Code.(float64); ok && code == math.Trunc(code) && math.Abs(code) < 1e9 {
		a.code = int(code)
	}
	if inner, ok := said.Error.(map[string]any); ok {
		said.Error = inner["message"]
	}
	for _, text := range []any{said.Message, said.Error} {
		if text, ok := text.(string); ok && a.text == "" {
			a.text = strings.TrimSpace(text)
		}
	}
	return a
}

// Discord's codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
const (
	discordUnknownWebhook = 10015
	discordInvalidToken   = 50027
	discordNeedsThread    = 220001
)

// hint says what to do about an answer.
func (n *Notifier) hint(status, code int) string {
	where := "the connection's url"
	if n.config.URL.IsZero() {
		where = "the destination's url"
	}
	if n.config.Format == formatDiscord && code != 0 {
		switch code {
		case discordUnknownWebhook, discordInvalidToken:
			return "the webhook was deleted or its URL is incomplete: copy it anew in Discord under Edit Channel > Integrations > Webhooks"
		case discordNeedsThread:
			return "the webhook is a forum's: add ?thread_id= of a post to the URL"
		}
	}
	switch {
	case status >= 200 && status < 300:
		return "another answered, and not the chat: check " + where + " and what stands in front of it, a login for example"
	case status >= 300 && status < 400:
		return "redirects are not followed: put the address it leads to into " + where
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return n.denied()
	case status == http.StatusNotFound, status == http.StatusGone:
		return n.gone(where)
	case status == http.StatusMethodNotAllowed:
		return "check " + where + " and the connection's method"
	case status == http.StatusUnsupportedMediaType, status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return "check the connection's format"
	}
	return ""
}

func (n *Notifier) denied() string {
	switch n.config.Format {
	case formatNtfy:
		return "give an access token that may write to the topic: headers: {Authorization: {env: NAME}} with Bearer tk_..."
	case formatMattermost:
		return "let the webhook post there, and enable incoming webhooks in Mattermost's System Console under Integrations"
	case formatGoogleChat:
		return "check key and token in the URL: copy it anew in the space under Apps & integrations > Webhooks"
	}
	return "check the connection's headers and signing_secret"
}

func (n *Notifier) gone(where string) string {
	switch n.config.Format {
	case formatMattermost, formatDiscord:
		return "the webhook was deleted, or its URL is incomplete: copy it anew"
	case formatGoogleChat:
		return "the webhook or its space was deleted: copy the URL anew in the space under Apps & integrations > Webhooks"
	}
	return "check " + where
}
