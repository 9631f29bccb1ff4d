package telegram

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// response is what the Bot API answers to every method.
// https://core.telegram.org/bots/api#making-requests, https://core.telegram.org/bots/api#responseparameters
type response struct {
	OK          bool   `json:"ok"`
	Description string `json:"description"`
	Result      struct {
		MessageID int64 `json:"message_id"`
		Chat      struct {
			ID int64 `json:"id"`
		} `json:"chat"`
	} `json:"result"`
	Parameters struct {
		RetryAfter      int64 `json:"retry_after"`        // seconds
		MigrateToChatID int64 `json:"migrate_to_chat_id"` // the supergroup that a group has become
	} `json:"parameters"`
}

// read is the answer as the Bot API has it; a proxy's page, say, is an empty one.
func read(a exchange.Answer) response {
	var r response
	if err := json.Unmarshal(a.Body, &r); err != nil {
		return response{}
	}
	return r
}

// refused is the answer as an error that says what is wrong and how to mend it, without the token. Telegram accepts with
// 200 and "ok": true only. How long to wait stands in the answer's text.
func refused(s exchange.Service, a exchange.Answer) error {
	r := read(a)
	if seconds := r.Parameters.RetryAfter; seconds > 0 {
		if a.Header = a.Header.Clone(); a.Header == nil {
			a.Header = http.Header{}
		}
		a.Header.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	err := s.Refused(exchange.VerdictOfOther(a.Status), a, s.Quote(r.Description, 300), hint(a.Status, r))
	if lost(r.Description) {
		return &lostError{err}
	}
	return err
}

// hints are by parts of the descriptions, in lower case, which is all that tells refusals apart.
var hints = []struct{ part, hint string }{
	{"chat not found", "check chat_id: the bot must be a member of a group or channel, and a person must have written to it first"},
	{"bot was blocked", "the person has blocked the bot, and must unblock it"},
	{"bot was kicked", "add the bot to the chat again"},
	{"bot is not a member", "add the bot to the chat; in a channel it must be an administrator"},
	{"can't initiate conversation", "the person must write to the bot first"},
	{"user is deactivated", "the person's account does not exist any more"},
	{"not enough rights", "let the bot post messages in the chat; in a channel it must be an administrator"},
	{"chat_write_forbidden", "let the bot post messages in the chat; in a channel it must be an administrator"},
	{"need administrator rights", "make the bot an administrator of the channel that may post messages"},
	{"thread not found", "check thread_id: the topic does not exist any more"},
	{"topic_closed", "open the topic again, or give another thread_id"},
	{"topic_deleted", "check thread_id: the topic does not exist any more"},
}

func hint(status int, r response) string {
	if to := r.Parameters.MigrateToChatID; to != 0 {
		return "the group has become a supergroup: give chat_id \"" + strconv.FormatInt(to, 10) + "\" instead"
	}
	said := strings.ToLower(r.Description)
	for _, h := range hints {
		if strings.Contains(said, h.part) {
			return h.hint
		}
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusNotFound:
		return "check the connection's token and api_url"
	case status >= 300 && status < 400, status == http.StatusMethodNotAllowed:
		return "check the connection's api_url"
	}
	return ""
}

// lost says whether a description means that there is no such message to edit.
func lost(description string) bool {
	said := strings.ToLower(description)
	return strings.Contains(said, "message to edit not found") || strings.Contains(said, "message can't be edited") || strings.Contains(said, "message_id_invalid")
}

type lostError struct{ error }

func (e *lostError) Is(target error) bool { return target == notifier.ErrMessageGone }
func (e *lostError) Unwrap() error        { return e.error }
