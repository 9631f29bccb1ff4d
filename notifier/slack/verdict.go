package slack

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// maxQuote is how many characters of Slack's own text an error shows.
const maxQuote = 300

// meaning is what one of Slack's error codes comes to, and what to do about it.
type meaning struct {
	verdict notifier.Verdict
	hint    string
}

// meaningOf is the verdict table of Slack's codes. A code that is not in it is a refusal.
func meaningOf(code string) meaning {
	switch code {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return meaning{notifier.Retry, ""}
	case "team_added_to_org", "org_login_required", "external_channel_migrating":
		return meaning{notifier.Retry, "the workspace or channel is being moved"}
	case "fatal_error", "internal_error", "service_unavailable", "request_timeout":
		return meaning{notifier.Unknown, ""}
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type":
		return meaning{notifier.Permanent, "check the connection's bot token (xoxb-...)"}
	case "not_in_channel":
		return meaning{notifier.Permanent, "invite the bot to the channel: /invite @bot, or give it the scope channels:join for public ones"}
	case "channel_not_found":
		return meaning{notifier.Permanent, "check the name; a private channel is found once the bot is in it: /invite @bot"}
	case "message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found":
		return meaning{notifier.Permanent, "the earlier message was deleted, or may not be edited"}
	case "is_archived":
		return meaning{notifier.Permanent, "unarchive the channel, or choose another"}
	case "missing_scope", "no_permission":
		return meaning{notifier.Permanent, "add the scope under OAuth & Permissions and reinstall the app"}
	case "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel":
		return meaning{notifier.Permanent, "the workspace does not let the bot post there"}
	case "users_not_found", "user_not_found", "user_disabled":
		return meaning{notifier.Permanent, "no active user of the workspace has this address"}
	case "messages_tab_disabled", "cannot_dm_bot":
		return meaning{notifier.Permanent, "the bot cannot write to this user"}
	}
	return meaning{notifier.Permanent, ""}
}

// gone says whether a code means that an exact id leads nowhere any more.
func gone(code string) bool { return code == "channel_not_found" || code == "is_archived" }

type goneError struct{ error }

func (e *goneError) Is(target error) bool { return target == notifier.ErrDestinationGone }
func (e *goneError) Unwrap() error        { return e.error }

// classify gives an error of the library its verdict, and a text for people that holds no secret.
func (c *call) classify(err error) error {
	verdict, after := c.verdict(err)
	refused, _ := errors.AsType[slack.SlackErrorResponse](err)
	err = c.explain(err)
	switch {
	case gone(refused.Err):
		err = &goneError{err}
	case lost(refused.Err):
		err = &lostError{err}
	}
	if c.Status() == 0 {
		err = notifier.Unavailable(err)
	}
	if verdict == notifier.Retry {
		return notifier.RetryAfter(after, err)
	}
	return verdict.Errorf("%w", err)
}

// verdict tells what a failed exchange came to, and how long Slack asks us to wait.
func (c *call) verdict(err error) (notifier.Verdict, time.Duration) {
	status := c.Status()
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusTooEarly:
		return notifier.Retry, c.Wait()
	case status == 0 && !c.Connected():
		return notifier.Retry, 0 // no connection: nothing can have arrived
	}
	if refused, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return meaningOf(refused.Err).verdict, 0
	}
	if status == http.StatusRequestTimeout || status < 300 || status >= 500 {
		return notifier.Unknown, 0 // no answer, an unreadable one, or a broken server
	}
	return notifier.Permanent, 0
}

// explain is the error as people read it.
func (c *call) explain(err error) error {
	if refused, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return c.refusal(refused)
	}
	status := c.Status()
	switch {
	case status == http.StatusTooManyRequests:
		return errors.New("slack: ratelimited")
	case status == http.StatusOK:
		return fmt.Errorf("slack: unreadable answer: %w", c.Scrub(err))
	case status == 0:
		return fmt.Errorf("slack: %w", c.Scrub(err))
	case status >= 300 && status < 500 && status != http.StatusRequestTimeout:
		return fmt.Errorf("slack: HTTP status %d (check the connection's api_url)", status)
	}
	return fmt.Errorf("slack: HTTP status %d", status)
}

func (c *call) refusal(refused slack.SlackErrorResponse) error {
	text := "slack: " + c.Quote(refused.Err, maxQuote)
	if refused.Needed != "" {
		text += " " + c.Quote(refused.Needed, maxQuote)
	}
	if len(refused.ResponseMetadata.Messages) > 0 { // invalid_blocks says here which
		text += ": " + c.Quote(strings.Join(refused.ResponseMetadata.Messages, "; "), maxQuote)
	}
	if hint := meaningOf(refused.Err).hint; hint != "" {
		text += " (" + hint + ")"
	}
	return errors.New(text)
}

// reading is the verdict for calls that only read: nothing was sent, so what is unknown may
// simply be asked again.
func (c *call) reading(err error) error {
	return exchange.Reading(c.classify(err))
}

// refusedWith says whether Slack refused with one of the codes, or never lets this token call the
// method.
func (c *call) refusedWith(err error, codes ...string) bool {
	if status := c.Status(); status == http.StatusNotFound || status == http.StatusNotImplemented {
		return true
	}
	return isCode(err, append(codes, "missing_scope", "unknown_method", "method_deprecated", "not_implemented")...)
}

// isCode says whether an error is one of Slack's codes.
func isCode(err error, codes ...string) bool {
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	return ok && slices.Contains(codes, refused.Err)
}
