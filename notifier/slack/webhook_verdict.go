package slack

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// webhookCode is how a webhook's codes look; they are all of the body. What does not look so, a proxy's page say, is
// none.
var webhookCode = regexp.MustCompile(`^[a-z][a-z_]{1,60}$`)

// webhookMeaning is the verdict table of what webhooks answer, with what to do about it; the status decides where a
// code is unknown.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
func webhookMeaning(status int, code string) meaning {
	verdict := exchange.VerdictOfOther(status) // it does not say "ok"
	switch code {
	case "rate_limited", "ratelimited":
		return meaning{notifier.Retry, ""}
	case "rollup_error", "fatal_error", "internal_error":
		return meaning{notifier.Unknown, "Slack's own fault"}
	case "no_service", "no_service_id", "no_active_hooks", "invalid_token":
		return meaning{notifier.Permanent, "the webhook was removed or is not valid: make a new one, and give its URL to the connection"}
	case "no_team", "team_disabled":
		return meaning{notifier.Permanent, "the workspace does not exist or is disabled"}
	case "channel_is_archived":
		return meaning{notifier.Permanent, "unarchive the channel, or make a webhook for another"}
	case "channel_not_found":
		return meaning{notifier.Permanent, "the channel was deleted: make a webhook for another"}
	case "user_not_found":
		return meaning{notifier.Permanent, "the person whom the webhook writes to is gone: make a new one"}
	case "action_prohibited":
		return meaning{notifier.Permanent, "the workspace's admins do not let webhooks post there"}
	case "posting_to_general_channel_denied":
		return meaning{notifier.Permanent, "the workspace does not let everybody post to #general: make a webhook for another channel"}
	case "invalid_payload", "invalid_blocks", "invalid_blocks_format", "no_text", "missing_text_or_fallback_or_attachments", "too_many_attachments", "msg_too_long", "msg_blocks_too_long":
		return meaning{notifier.Permanent, "Slack does not take the message's form"}
	}
	switch {
	case status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusGone:
		return meaning{verdict, "make a new webhook, and give its URL to the connection"}
	case status >= 300 && status < 400, status == http.StatusMethodNotAllowed:
		return meaning{verdict, "check the connection's url"}
	}
	return meaning{verdict, ""}
}

// webhookRefused is the answer as an error that names Slack's code, without the URL.
func webhookRefused(s exchange.Service, a exchange.Answer) error {
	code := strings.TrimSpace(string(a.Body))
	if !webhookCode.MatchString(code) {
		code = ""
	}
	m := webhookMeaning(a.Status, code)
	return s.Refused(m.verdict, a, s.Quote(code, maxQuote), m.hint)
}
