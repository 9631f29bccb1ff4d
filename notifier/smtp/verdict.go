package smtp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// closing is the reply of a server that ends the connection, at any step.
const closing = 421

// verdictOf is what a reply comes to: RFC 5321 section 4.2.1. sent says that the mail's end was sent, so that only a
// refusal means that the server does not have it. A reply that the step cannot have is no refusal.
func verdictOf(code int, sent bool) notifier.Verdict {
	switch {
	case code/100 == 4:
		return notifier.Retry
	case code/100 == 5:
		return notifier.Permanent
	case sent:
		return notifier.Unknown
	}
	return notifier.Retry
}

// replies judges what a server says to one user.
type replies struct{ service exchange.Service }

// newReplies knows what no error may show: the password, also as PLAIN and LOGIN encode it.
func newReplies(username, password string) replies {
	s := exchange.Service{Name: Kind}
	if password != "" {
		encode := base64.StdEncoding.EncodeToString
		s.Secrets = []string{password, encode([]byte(password)), encode([]byte("\x00" + username + "\x00" + password))}
	}
	return replies{s}
}

// quote is text of the server's own as an error may show it.
func (r replies) quote(text string, most int) string { return r.service.Quote(text, most) }

// reply is a code with its text.
func (r replies) reply(reply *textproto.Error, most int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", reply.Code, r.quote(reply.Msg, most)))
}

// refused is the error of a step as an error that says what the server said and how to mend it.
func (r replies) refused(ctx context.Context, step string, err error, sent bool) error {
	step = r.quote(step, 200)
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		text := fmt.Sprintf("smtp: %s: %s", step, r.reply(reply, 300))
		if mend := hint(reply.Code, enhanced(reply.Msg), reply.Msg); mend != "" {
			text += " (" + mend + ")"
		}
		err := verdictOf(reply.Code, sent).Errorf("%s", text)
		if reply.Code == closing {
			return notifier.Unavailable(err) // other 4yz may be of one address, such as greylisting
		}
		return err
	}
	if ctx.Err() != nil { // which closed the connection
		err = context.Cause(ctx)
	}
	verdict := verdictOf(0, sent)
	if wrong, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return notifier.Unavailable(verdict.Errorf("smtp: %s: %w (check host, or give the CA of its certificate as ca)", step, r.service.Scrub(wrong)))
	}
	return notifier.Unavailable(verdict.Errorf("smtp: %s: %w", step, r.service.Scrub(err)))
}

// enhancedCode is RFC 3463's, at the beginning of a reply's text.
var enhancedCode = regexp.MustCompile(`^([245])\.(\d{1,3}\.\d{1,3})\b`)

// enhanced is the code without its class: "1.1" of "5.1.1 no such user". Empty: there is none.
func enhanced(text string) string {
	if found := enhancedCode.FindStringSubmatch(text); found != nil {
		return found[2]
	}
	return ""
}

// alone says whether a reply concerns this recipient alone, and seldom passes soon: the mailbox is full, the address is
// wrong, or nothing leads to its domain. That of the sender (1.7, 1.8) is everybody's.
func alone(reply *textproto.Error) bool {
	code := enhanced(reply.Msg)
	switch code {
	case "2.2":
		return true
	case "1.7", "1.8":
		return false
	}
	return strings.HasPrefix(code, "1.") || strings.HasPrefix(code, "4.")
}

// hint is how to mend what a reply tells of: by RFC 3463's codes where they say more than RFC 5321's.
func hint(code int, enhanced, text string) string {
	switch enhanced {
	case "1.1", "1.2", "1.3", "1.6", "1.10":
		return "check the address"
	case "1.7", "1.8":
		return "check the connection's from"
	case "2.2":
		return "the mailbox is full"
	case "4.1", "4.3", "4.4":
		return "the server finds no way to where the mail goes: check the domains of the addresses"
	case "2.3", "3.4":
		return "the mail is too large for the server"
	case "5.3":
		return "too many recipients for the server: give fewer addresses, or several destinations"
	case "7.8", "7.9":
		return "check username and password; an account with a second factor needs a password for applications"
	case "7.20", "7.21", "7.22", "7.23", "7.24", "7.25", "7.26", "7.27":
		return "publish SPF and DKIM for the domain of the connection's from"
	}
	switch {
	case code/100 == 4 && strings.Contains(strings.ToLower(text), "greylist"):
		return "the server takes it later"
	case code == 530:
		return "give the connection a username and a password"
	case code == 534, code == 535:
		return "check username and password; an account with a second factor needs a password for applications"
	case code == 538:
		return "set tls: starttls or implicit"
	case code == 550 && enhanced == "7.1", code == 553 && enhanced == "7.1", code == 554 && enhanced == "7.1":
		return "the server does not let this user send from this address to that one"
	case code == 551, code == 553:
		return "check the address"
	case code == 552:
		return "the mailbox is full, or the mail too large"
	}
	return ""
}
