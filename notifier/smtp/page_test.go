package smtp_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/smtpsim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
)

// documented are the rows of the page's answers: what the server says, "COMMAND reply", or else what happens, and what
// that comes to where there is one recipient.
var documented = []struct {
	answer, verdict string // as the page has them
	replies         []string
	happens         []func(t *testing.T) error
	want            notifier.Verdict
}{
	{"2xx to the mail", "delivered", []string{"END 250 ok", "END 251 ok", "END 299 ok"}, nil, notifier.Delivered},
	{
		"4xx at any step, 421 among them", "retried",
		[]string{" 421 busy", " 450 later", "EHLO 421 busy", "STARTTLS 454 later", "MAIL 451 later", "RCPT 450 4.2.0 greylisted", "DATA 451 later", "END 421 busy", "END 452 later"},
		[]func(*testing.T) error{met(smtpsim.Fault{Step: smtpsim.Login, Code: 454, Text: "4.7.0 later"})},
		notifier.Retry,
	},
	{"5xx to the greeting, EHLO, STARTTLS", "permanent", []string{" 554 no", "EHLO 550 no", "STARTTLS 501 no"}, nil, notifier.Permanent},
	{"no STARTTLS offered", "permanent", nil, []func(*testing.T) error{withoutTLS}, notifier.Permanent},
	{"certificate not for `host`, expired, or signed by nobody known", "retried", nil, []func(*testing.T) error{signedByNobody}, notifier.Retry},
	{
		"534, 535 (5.7.8, 5.7.9) to AUTH", "permanent", nil,
		[]func(*testing.T) error{
			met(smtpsim.Fault{Step: smtpsim.Login, Code: 534, Text: "5.7.9 too weak"}), met(smtpsim.Fault{Step: smtpsim.Login, Code: 535, Text: "5.7.8 no"}),
		},
		notifier.Permanent,
	},
	{"530 to MAIL FROM", "permanent", []string{"MAIL 530 5.7.0 log in"}, nil, notifier.Permanent},
	{"550, 553, 554 with 5.7.1", "permanent", []string{"MAIL 550 5.7.1 no", "MAIL 553 5.7.1 no", "RCPT 554 5.7.1 no"}, nil, notifier.Permanent},
	{"550 with 5.7.20 to 5.7.27", "permanent", []string{"MAIL 550 5.7.20 no", "END 550 5.7.27 no"}, nil, notifier.Permanent},
	{"5xx to RCPT TO (5.1.1 and the like)", "refused for this recipient, see above", []string{"RCPT 550 5.1.1 nobody", "RCPT 553 no"}, nil, notifier.Permanent},
	{
		"4.2.2 (mailbox full), 4.1.x (but for the sender's, 4.1.7 and 4.1.8) or 4.4.x to RCPT TO", "the same; retried when there is nobody else",
		[]string{"RCPT 452 4.2.2 full", "RCPT 450 4.1.2 no domain", "RCPT 450 4.1.8 no domain", "RCPT 451 4.4.3 no way"},
		nil, notifier.Retry,
	},
	{"4.5.3, too many recipients", "retried, with nobody told", []string{"RCPT 452 4.5.3 too many"}, nil, notifier.Retry},
	{"552, 5.2.3, 5.3.4 to the mail", "permanent", []string{"END 552 full", "END 554 5.2.3 large", "END 552 5.3.4 large"}, nil, notifier.Permanent},
	{
		"connection refused, reset, timed out, or no SMTP, before the final dot", "retried",
		[]string{" HTTP/1.1 200 OK"},
		[]func(*testing.T) error{refusedConnection, met(smtpsim.Fault{Step: smtpsim.From, Reset: true})},
		notifier.Retry,
	},
	{
		"the same after the final dot, or a reply of 3xx", "unknown: sent again, possibly double",
		[]string{"END 354 go on", "END HTTP/1.1 200 OK"},
		[]func(*testing.T) error{met(smtpsim.Fault{Step: smtpsim.End, Reset: true})},
		notifier.Unknown,
	},
}

// met sends to a server at which the fault is met.
func met(f smtpsim.Fault) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		sim, n := start(t, smtpsim.Options{Username: "flyte", Password: password})
		sim.Fail(f)
		return mailed(t, n)
	}
}

func withoutTLS(t *testing.T) error {
	t.Helper()
	_, n := start(t, smtpsim.Options{Clear: true}, func(c *smtp.Config) { c.TLS = "starttls" })
	return mailed(t, n)
}

func signedByNobody(t *testing.T) error {
	t.Helper()
	_, n := start(t, smtpsim.Options{}, func(c *smtp.Config) { c.CA = "" })
	return mailed(t, n)
}

func refusedConnection(t *testing.T) error {
	t.Helper()
	_, n := start(t, smtpsim.Options{}, func(c *smtp.Config) { c.Port = 1 })
	return mailed(t, n)
}

func mailed(t *testing.T, n *smtp.Notifier) error {
	t.Helper()
	_, err := n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
	return err
}

var row = regexp.MustCompile(`(?m)^\| (.+?) \| (.+?) \|`)

// TestThePageSaysWhatRepliesComeTo: the page has these rows and no others, and each is true.
func TestThePageSaysWhatRepliesComeTo(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/notifiers/smtp.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(raw), "## Answers\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n## ")
	have := []string{"answer: verdict"}
	for _, d := range documented {
		have = append(have, d.answer+": "+d.verdict)
		for _, said := range d.replies {
			command, reply, _ := strings.Cut(said, " ")
			w := usual().with(command, reply)
			switch command {
			case "EHLO":
				w["HELO"] = reply
			case "STARTTLS":
				w["EHLO"] = "250-hi\r\n250 STARTTLS"
			}
			verdict(t, d.want, w.send(t), strconv.Quote(said))
		}
		for i, happen := range d.happens {
			verdict(t, d.want, happen(t), d.answer, i)
		}
	}
	var page []string
	for _, found := range row.FindAllStringSubmatch(table, -1) {
		page = append(page, found[1]+": "+found[2])
	}
	require.Equal(t, have, page)
}
