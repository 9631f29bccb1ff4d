package smtp_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/smtpsim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
)

const password = "hush-hush-0815"

// file writes a text where a config can refer to it.
func file(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// start returns a simulated mail server, and a notifier that uses it as it is.
func start(t testing.TB, o smtpsim.Options, change ...func(*smtp.Config)) (*smtpsim.Server, *smtp.Notifier) {
	t.Helper()
	sim := smtpsim.New(o)
	t.Cleanup(sim.Close)
	return sim, open(t, sim, o, change...)
}

func open(t testing.TB, sim *smtpsim.Server, o smtpsim.Options, change ...func(*smtp.Config)) *smtp.Notifier {
	t.Helper()
	c := smtp.Config{Host: "127.0.0.1", Port: sim.Port(), TLS: "starttls", From: "Flyte <flyte@example.org>", CA: file(t, sim.CA())}
	switch {
	case o.Implicit:
		c.TLS = "implicit"
	case o.Clear:
		c.TLS, c.CA = "none", ""
	}
	if o.Username != "" {
		c.Username, c.Password = o.Username, notifier.Secret{File: file(t, []byte(o.Password+"\n"))}
	}
	for _, f := range change {
		f(&c)
	}
	n, err := smtp.New(c)
	require.NoError(t, err)
	return n
}

func to(addresses ...string) *smtp.Destination { return &smtp.Destination{To: addresses} }

// received is a mail as a client reads it.
type received struct {
	header mail.Header
	parts  map[string]string // by media type
	name   string            // of the file
}

func read(t testing.TB, raw []byte) received {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	r := received{header: m.Header, parts: map[string]string{}}
	r.add(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	return r
}

func (r *received) add(t testing.TB, contentType, encoding string, body io.Reader) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	require.NoError(t, err)
	switch encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		text, err := io.ReadAll(body)
		require.NoError(t, err)
		if params["name"] != "" {
			kind, r.name = "file", params["name"]
		}
		r.parts[kind] = strings.ReplaceAll(string(text), "\r\n", "\n")
		return
	}
	parts := multipart.NewReader(body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		r.add(t, part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	o := smtpsim.Options{Username: "flyte", Password: password}
	sim := smtpsim.New(o)
	t.Cleanup(sim.Close)
	t.Run("suite", func(t *testing.T) {
		t.Parallel()
		t.Cleanup(func() {
			mails := sim.Mails()
			require.Len(t, mails, 100+len(notifiertest.HostileTexts())+1)
			for _, m := range mails {
				require.Less(t, len(m.Raw), 2<<20)
			}
		})
		notifiertest.Run(t, notifiertest.Suite{
			New: func(t testing.TB, _ string, _ *http.Client) notifier.BaseNotifier {
				t.Helper()
				return open(t, sim, o)
			},
			Destination: to("ada@example.org"),
			Secrets:     []string{password, base64.StdEncoding.EncodeToString([]byte(password))},
		})
	})
}

func TestEveryWayOfTLSAndLogin(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]smtpsim.Options{
		"starttls": {}, "implicit": {Implicit: true}, "none": {Clear: true},
		"starttls, login": {Username: "u", Password: password}, "implicit, login": {Implicit: true, Username: "u", Password: password},
		"none, login": {Clear: true, Username: "u", Password: password},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, n := start(t, o)
			_, err := n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
			require.NoError(t, err)
			require.Len(t, sim.Mails(), 1)
			require.NoError(t, n.Check(t.Context()))
			require.Len(t, sim.Mails(), 1, "a check sends nothing")
		})
	}
}

func TestSendsTextAndHTMLToAll(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{}, func(c *smtp.Config) { c.ListUnsubscribe = "mailto:leave@example.org?subject=leave" })
	d := &smtp.Destination{
		To: []string{"Ada Ärmel <ada@Example.org>", "bob@example.org", "ADA@example.org"}, Cc: []string{"cy@example.org", "bob@example.org"},
		Bcc: []string{"di@example.org"}, ReplyTo: "Team <team@example.org>", Subject: "train\r\nBcc: x@example.org",
	}

	receipt, err := n.Send(t.Context(), d, notifiertest.Message())

	require.NoError(t, err)
	require.Len(t, sim.Mails(), 1)
	m := sim.Mails()[0]
	require.Equal(t, "flyte@example.org", m.From)
	require.Equal(t, []string{"ada@example.org", "bob@example.org", "cy@example.org", "di@example.org"}, m.To)
	got := read(t, m.Raw)
	require.NotContains(t, string(m.Raw), "di@example.org")
	require.Equal(t, notifier.Receipt{"message_id": got.header.Get("Message-ID"), "answer": "2.0.0 OK: queued"}, receipt)
	require.Regexp(t, `^<flyte-notifier\.[0-9a-f]{32}@example\.org>$`, receipt["message_id"])
	for name, want := range map[string]string{
		"From": `"Flyte" <flyte@example.org>`, "Reply-To": `"Team" <team@example.org>`, "Subject": "train Bcc: x@example.org", "Cc": "<cy@example.org>", "Bcc": "",
		"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Precedence": "",
		"List-Unsubscribe": "<mailto:leave@example.org?subject=leave>", "In-Reply-To": "", "References": "", "User-Agent": "flyte-notifier", "X-Mailer": "",
	} {
		require.Equal(t, want, got.header.Get(name), name)
	}
	people, err := got.header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, []*mail.Address{{Name: "Ada Ärmel", Address: "ada@example.org"}, {Address: "bob@example.org"}}, people)
	_, err = got.header.Date()
	require.NoError(t, err)
	require.Contains(t, got.parts["text/plain"], "train FAILED\n====")
	require.Contains(t, got.parts["text/html"], `href="https://flyte.example.org/console/f1"`)
	require.Len(t, got.parts, 2)
}

func TestMessageIDIsThatOfTheDelivery(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{})
	id := func(key string) string {
		m := notifiertest.Message()
		m.Key = key
		r, err := n.Send(t.Context(), to("ada@example.org"), m)
		require.NoError(t, err)
		return r["message_id"]
	}
	require.Equal(t, id("d-1"), id("d-1"))
	require.NotEqual(t, id("d-1"), id("d-2"))
	require.NotEqual(t, id(""), id(""))
	require.Contains(t, id("x\r\nBcc: y"), "@example.org>")
	for _, m := range sim.Mails() {
		require.Len(t, read(t, m.Raw).header["Message-Id"], 1)
	}
}

func TestMailsOfAnExecutionAreOneThread(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{})
	d := notifier.Threaded(to("ada@example.org"))
	require.Equal(t, notifier.Replies, d.Threading())
	require.Equal(t, notifier.Apart, (&smtp.Destination{Thread: "none"}).Threading())

	root, err := n.Send(t.Context(), d, notifiertest.Message())
	require.NoError(t, err)
	m := notifiertest.Message()
	m.Key = "d-2"
	reply, err := n.Send(t.Context(), d.WithRoot(d.Root(root)), m)
	require.NoError(t, err)
	require.Equal(t, root["message_id"], reply["thread"])
	require.Equal(t, d.Root(root), d.Root(reply))
	got := read(t, sim.Mails()[1].Raw).header
	require.Equal(t, root["message_id"], got.Get("In-Reply-To"))
	require.Equal(t, root["message_id"], got.Get("References"))
	require.NotEqual(t, root["message_id"], got.Get("Message-ID"))

	for _, forged := range []string{"", "x", "<a@b>\r\nBcc: x@example.org", "<a@b> <c@d>", "<" + strings.Repeat("a", 300) + "@b>"} {
		_, err := n.Send(t.Context(), d.WithRoot(notifier.Receipt{"message_id": forged}), m)
		require.NoError(t, err)
		mails := sim.Mails()
		got := read(t, mails[len(mails)-1].Raw).header
		require.Empty(t, got.Get("In-Reply-To"))
		require.Empty(t, got.Get("Bcc"))
	}
}

func TestLongErrorsAreAttached(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{})
	whole := "Traceback\n" + strings.Repeat("a line of it with .\n.\n.. dots\n", 500) + "the end"
	m := notifiertest.Message()
	m.Error, m.Vars = whole[:2000]+"…", map[string]any{"Error": whole}
	_, err := n.Send(t.Context(), to("ada@example.org"), m)
	require.NoError(t, err)
	got := read(t, sim.Mails()[0].Raw)
	require.Equal(t, "error.txt", got.name)
	require.Equal(t, whole+"\n", got.parts["file"])
	require.Contains(t, got.parts["text/plain"], "The whole error text is attached.")
	require.Contains(t, got.parts["text/html"], "The whole error text is attached.")
	require.Empty(t, m.Notes, "the message is the caller's")

	for name, change := range map[string]func(*smtp.Destination, *notifier.Message){
		"not wanted": func(d *smtp.Destination, _ *notifier.Message) { d.Attach = "none" },
		"short": func(_ *smtp.Destination, m *notifier.Message) {
			m.Error, m.Vars = "short", map[string]any{"Error": " short\n"}
		},
		"own body": func(_ *smtp.Destination, m *notifier.Message) { m.Error = "" },
		"unknown":  func(_ *smtp.Destination, m *notifier.Message) { m.Vars = nil },
	} {
		d, m := to("ada@example.org"), m
		change(d, &m)
		_, err := n.Send(t.Context(), d, m)
		require.NoError(t, err)
		mails := sim.Mails()
		require.Empty(t, read(t, mails[len(mails)-1].Raw).name, name)
	}
}

// TestLinesAreShort shows that no line is longer than RFC 5322 section 2.1.1 lets it be, whatever is in it.
func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{})
	d := &smtp.Destination{Subject: strings.Repeat("ä", 500), ReplyTo: strings.Repeat("Ä", 800) + " <r@example.org>"}
	for i := range 100 {
		d.To = append(d.To, fmt.Sprintf("%s %d <person.%d@example.org>", strings.Repeat("Wörd", 30), i, i))
	}
	d.To[0] = strings.Repeat("x", 2000) + " <person.x@example.org>"
	_, err := n.Send(t.Context(), d, large())
	require.NoError(t, err)
	m := sim.Mails()[0]
	require.Len(t, m.To, 100)
	for line := range strings.SplitSeq(string(m.Raw), "\r\n") {
		require.LessOrEqual(t, len(line), 998, "%.100q", line)
		require.NotContains(t, line, "\n")
	}
	people, err := read(t, m.Raw).header.AddressList("To")
	require.NoError(t, err)
	require.Len(t, people, 100)
}

func TestHostileTextMakesNoHeader(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{})
	for _, text := range notifiertest.HostileTexts() {
		d := &smtp.Destination{To: []string{"ada@example.org"}, Subject: text}
		m := notifier.Message{Key: text, Title: text, Body: text, Error: text, Vars: map[string]any{"Error": text + text}}
		_, err := n.Send(t.Context(), d, m)
		require.NoError(t, err)
		mails := sim.Mails()
		got := read(t, mails[len(mails)-1].Raw)
		for name := range got.header {
			require.Contains(t, []string{
				"Mime-Version", "Date", "Message-Id", "Subject", "User-Agent", "Auto-Submitted", "X-Auto-Response-Suppress",
				"From", "To", "Content-Type", "Content-Transfer-Encoding",
			}, name, "%.40q", text)
		}
		require.Equal(t, []string{"ada@example.org"}, mails[len(mails)-1].To)
		require.NotContains(t, got.parts["text/html"], "<script")
	}
	for _, address := range []string{"a@example.org\r\nRCPT TO:<evil@example.org>", "a@example.org> <b@example.org", "Ada\r\nBcc: x@y.z <a@example.org>", "müller@example.org", "a@exämple.org"} {
		_, err := n.Send(t.Context(), to(address), notifiertest.Message())
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, notifier.Permanent, verdict, "%q: %v", address, err)
	}
}
