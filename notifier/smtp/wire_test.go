package smtp_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
)

func rewrite(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// wire is a server that says exactly what it is told to, by the client's command; END is the mail's, MID is said when
// the mail begins to come, and ends the connection, and the empty command is the greeting. A missing one closes the
// connection.
type wire map[string]string

func usual() wire {
	return wire{"": "220 hi", "EHLO": "250 hi", "HELO": "250 hi", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go", "END": "250 ok", "RSET": "250 ok", "QUIT": "221 bye"}
}

func (w wire) with(command, reply string) wire {
	w[command] = reply
	return w
}

// send sends a mail through the server.
func (w wire) send(t *testing.T) error {
	t.Helper()
	return w.sendThis(t, notifiertest.Message())
}

func (w wire) sendThis(t *testing.T, m notifier.Message) error {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.serve(conn)
		}
	}()
	c := smtp.Config{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, TLS: "none", From: "flyte@example.org"}
	if w["STARTTLS"] != "" {
		c.TLS = "starttls"
	}
	n, err := smtp.New(c)
	require.NoError(t, err)
	begun := time.Now()
	receipt, err := n.Send(t.Context(), to("ada@example.org"), m)
	require.Equal(t, err == nil, receipt != nil)
	require.Less(t, time.Since(begun), time.Minute)
	return err
}

func (w wire) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	say := func(command string) bool {
		reply, ok := w[command]
		_, err := fmt.Fprintf(conn, "%s\r\n", reply)
		return ok && err == nil
	}
	if !say("") {
		return
	}
	lines := bufio.NewScanner(conn)
	inMail := false
	for lines.Scan() {
		line := lines.Text()
		command, _, _ := strings.Cut(line, " ")
		switch {
		case inMail && w["MID"] != "":
			say("MID")
			return
		case inMail && line != ".":
			continue
		case inMail:
			command, inMail = "END", false
		case command == "DATA":
			inMail = strings.HasPrefix(w["DATA"], "354")
		}
		if !say(command) {
			return
		}
	}
}

// TestEveryReplyAtEveryStep says each code there can be after the mail, and codes of every kind at the other steps.
func TestEveryReplyAtEveryStep(t *testing.T) {
	t.Parallel()
	success := map[string]int{"": 220, "EHLO": 250, "MAIL": 250, "RCPT": 250, "DATA": 354, "END": 250}
	for command, fine := range success {
		t.Run("step "+command, func(t *testing.T) {
			t.Parallel()
			for code := 200; code < 600; code++ {
				if command != "END" && code != fine && code%7 > 0 {
					continue
				}
				w := usual().with(command, fmt.Sprintf("%d told so", code))
				if command == "EHLO" {
					w["HELO"] = w["EHLO"]
				}
				want := notifier.Retry
				switch {
				case code == fine, command == "END" && code < 300, command == "RCPT" && code/10 == 25:
					want = notifier.Delivered
				case command == "END" && code < 400:
					want = notifier.Unknown
				case code >= 500:
					want = notifier.Permanent
				}
				verdict(t, want, w.send(t), "%s %d: %v", command, code)
			}
		})
	}
}

func TestQuitDecidesNothing(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"221 bye", "421 no", "500 what", "", "nonsense"} {
		require.NoError(t, usual().with("QUIT", reply).send(t))
	}
	w := usual()
	delete(w, "QUIT") // the connection is closed
	require.NoError(t, w.send(t))
}

func TestNonsenseIsNoReply(t *testing.T) {
	t.Parallel()
	for _, nonsense := range []string{"", "HTTP/1.1 200 OK", "hello", "25", "250", "-1 x", "99999 x", "\x00\xff\xfe", "250-endless\r\n" + strings.Repeat("250-endless\r\n", 30_000)} {
		for command := range usual() {
			if command == "QUIT" || command == "RSET" || command == "HELO" {
				continue
			}
			w := usual().with(command, nonsense)
			err := w.send(t)
			got, _ := notifier.VerdictOf(err)
			want := []notifier.Verdict{notifier.Retry}
			if command == "END" {
				want = []notifier.Verdict{notifier.Unknown}
			}
			if nonsense == "250" || command == "EHLO" { // which HELO stands in for
				want = append(want, notifier.Delivered)
			}
			require.Contains(t, want, got, "%q to %q: %v", nonsense, command, err)
			if err != nil {
				require.Equal(t, notifier.OneLine(err.Error()), err.Error())
				require.Less(t, len(err.Error()), 1000)
			}
		}
	}
}

func TestAServerThatDoesNotWaitForTheEnd(t *testing.T) {
	t.Parallel()
	verdict(t, notifier.Permanent, usual().with("MID", "552 5.3.4 too large").sendThis(t, large()))
	verdict(t, notifier.Retry, usual().with("MID", "421 4.3.0 closing").sendThis(t, large()))
}

func TestAnEndlessReplyIsNotRead(t *testing.T) {
	t.Parallel()
	err := usual().with("MAIL", strings.Repeat("250-endless\r\n", 30_000)).send(t)
	verdict(t, notifier.Retry, err)
	require.ErrorContains(t, err, "the server says more than any mail server does")
}

func TestRepliesAreQuotedSafely(t *testing.T) {
	t.Parallel()
	err := usual().with("MAIL", "550-5.7.1 first\x1b[31m line\r\n550 5.7.1 second "+strings.Repeat("x", 2000)).send(t)
	verdict(t, notifier.Permanent, err)
	require.ErrorContains(t, err, "550 5.7.1 first line 5.7.1 second xxx")
	require.Less(t, len(err.Error()), 600)
	require.Equal(t, notifier.OneLine(err.Error()), err.Error())
}

func TestHintsSayHowToMend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ command, reply, want string }{
		{"MAIL", "530 5.7.0 must issue a STARTTLS", "(give the connection a username and a password)"},
		{"MAIL", "550 5.7.26 unauthenticated", "(publish SPF and DKIM for the domain of the connection's from)"},
		{"MAIL", "501 5.1.7 bad sender", "(check the connection's from)"},
		{"RCPT", "550 5.1.1 unknown", "(check the address)"},
		{"RCPT", "450 4.1.2 Domain not found", "(check the address)"},
		{"RCPT", "450 4.4.3 no name server", "(the server finds no way to where the mail goes: check the domains of the addresses)"},
		{"RCPT", "553 what", "(check the address)"},
		{"RCPT", "452 4.5.3 too many", "(too many recipients for the server: give fewer addresses, or several destinations)"},
		{"RCPT", "554 5.7.1 relay access denied", "(the server does not let this user send from this address to that one)"},
		{"END", "552 5.3.4 too big", "(the mail is too large for the server)"},
		{"END", "552 no room", "(the mailbox is full, or the mail too large)"},
		{"END", "451 4.7.1 Greylisting in action", "(the server takes it later)"},
		{"END", "554 5.6.0 bad", "554 5.6.0 bad"},
	} {
		require.ErrorContains(t, usual().with(c.command, c.reply).send(t), c.want, c.reply)
	}
}
