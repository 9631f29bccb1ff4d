package slack

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// maxRetryAfter caps what Slack asks for, lest a nonsensical wish park a message for days.
const maxRetryAfter = time.Hour

// secretMark stands in an error's text where the token was.
const secretMark = "<secret>"

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
		return meaning{notifier.Permanent, "invite the bot to the channel: /invite @bot"}
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
	if verdict == notifier.Retry {
		return notifier.RetryAfter(after, err)
	}
	return verdict.Errorf("%w", err)
}

// verdict tells what a failed exchange came to, and how long Slack asks us to wait.
func (c *call) verdict(err error) (notifier.Verdict, time.Duration) {
	switch {
	case c.status == http.StatusTooManyRequests, c.status == http.StatusTooEarly:
		return notifier.Retry, retryAfter(c.retryAfter, time.Now())
	case c.status == 0 && !c.connected.Load():
		return notifier.Retry, 0 // no connection: nothing can have arrived
	}
	if refused, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return meaningOf(refused.Err).verdict, 0
	}
	if c.status == http.StatusRequestTimeout || c.status < 300 || c.status >= 500 {
		return notifier.Unknown, 0 // no answer, an unreadable one, or a broken server
	}
	return notifier.Permanent, 0
}

// explain is the error as people read it.
func (c *call) explain(err error) error {
	if refused, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return c.refusal(refused)
	}
	switch {
	case c.status == http.StatusTooManyRequests:
		return errors.New("slack: ratelimited")
	case c.status == http.StatusOK:
		return fmt.Errorf("slack: unreadable answer: %w", c.scrub(err))
	case c.status == 0:
		return fmt.Errorf("slack: %w", c.scrub(err))
	case c.status >= 300 && c.status < 500 && c.status != http.StatusRequestTimeout:
		return fmt.Errorf("slack: HTTP status %d (check the connection's api_url)", c.status)
	}
	return fmt.Errorf("slack: HTTP status %d", c.status)
}

func (c *call) refusal(refused slack.SlackErrorResponse) error {
	text := "slack: " + c.quote(refused.Err)
	if refused.Needed != "" {
		text += " " + c.quote(refused.Needed)
	}
	if len(refused.ResponseMetadata.Messages) > 0 { // invalid_blocks says here which
		text += ": " + c.quote(strings.Join(refused.ResponseMetadata.Messages, "; "))
	}
	if hint := meaningOf(refused.Err).hint; hint != "" {
		text += " (" + hint + ")"
	}
	return errors.New(text)
}

// quote is text of the server's own as an error may show it.
func (c *call) quote(s string) string {
	return cut(oneLine(strings.ReplaceAll(s, c.token, secretMark)), 300)
}

// scrub makes an error fit to be shown: the library's may repeat much of an answer, and with it
// whatever the server echoed.
func (c *call) scrub(err error) error {
	text := err.Error()
	if shown := c.quote(text); shown != text {
		return errors.New(shown)
	}
	return err
}

// retryAfter reads the header's two forms, seconds and date. Anything else is zero, no wish.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// reading is the verdict for calls that only read: nothing was sent, so what is unknown may
// simply be asked again.
func (c *call) reading(err error) error {
	classified := c.classify(err)
	if verdict, _ := notifier.VerdictOf(classified); verdict == notifier.Unknown {
		return notifier.RetryAfter(0, classified)
	}
	return classified
}

// refusedWith says whether Slack refused with one of the codes, or never lets this token call the
// method.
func (c *call) refusedWith(err error, codes ...string) bool {
	if c.status == http.StatusNotFound || c.status == http.StatusNotImplemented {
		return true
	}
	return isCode(err, append(codes, "missing_scope", "unknown_method", "method_deprecated", "not_implemented")...)
}

// isCode says whether an error is one of Slack's codes.
func isCode(err error, codes ...string) bool {
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	return ok && slices.Contains(codes, refused.Err)
}
