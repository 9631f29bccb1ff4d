package smtp_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
)

func problems(all []notifier.Problem) []string {
	var lines []string
	for _, p := range all {
		lines = append(lines, p.String())
	}
	return lines
}

func TestConfigs(t *testing.T) {
	t.Parallel()
	const address = "must be a mail address, such as ada@example.org or Ada <ada@example.org>"
	const plain = "tls: none sends mail and password in the clear: it is for a server on this machine only (localhost, 127.0.0.1, ::1)"
	secret := notifier.Secret{Env: "X"}
	for _, c := range []struct {
		config smtp.Config
		want   []string
	}{
		{smtp.Config{Host: "mail.example.org", From: "Flyte <flyte@example.org>"}, nil},
		{smtp.Config{Host: "::1", From: "flyte@example.org", TLS: "none", Username: "u", Password: secret}, nil},
		{smtp.Config{Host: "LOCALHOST", From: "flyte@example.org", TLS: "none", ListUnsubscribe: "https://example.org/leave?x=1"}, nil},
		{smtp.Config{}, []string{"host: required", "from: required"}},
		{smtp.Config{Host: "mail.example.org:25", From: "flyte"}, []string{"host: must be a host's name or address, without a port", "from: " + address}},
		{smtp.Config{Host: "smtp://x", From: "flyte@exämple.org", Port: 70000}, []string{"host: must be a host's name or address, without a port", "port: must be from 1 to 65535", "from: must be an address in ASCII; write a domain in its xn-- form"}},
		{smtp.Config{Host: "10.0.0.1", From: "a@b.c", TLS: "none", Username: "u", Password: secret}, []string{plain}},
		{smtp.Config{Host: "localhost.evil.example.org", From: "a@b.c", TLS: "none"}, []string{plain}},
		{smtp.Config{Host: "x", From: "a@b.c", TLS: "opportunistic"}, []string{"tls: must be one of starttls, implicit, none"}},
		{smtp.Config{Host: "localhost", From: "a@b.c", TLS: "none", CA: "x"}, []string{"ca: not with tls: none"}},
		{smtp.Config{Host: "x", From: "a@b.c", Username: "u"}, []string{"password: required with a username"}},
		{smtp.Config{Host: "x", From: "a@b.c", Password: secret}, []string{"username: required with a password"}},
		{smtp.Config{Host: "x", From: "a@b.c", Helo: "x\r\nMAIL"}, []string{"helo: must be a host's name"}},
		{smtp.Config{Host: "x", From: "a@b.c", ListUnsubscribe: "http://example.org"}, []string{"list_unsubscribe: must be a mailto: or https: URL"}},
		{smtp.Config{Host: "x", From: "a@b.c", ListUnsubscribe: "mailto:x@example.org>\r\nBcc: y"}, []string{"list_unsubscribe: must be a mailto: or https: URL"}},
	} {
		require.Equal(t, c.want, problems(c.config.Validate()))
		if c.want != nil {
			_, err := smtp.New(c.config)
			require.ErrorContains(t, err, "open smtp: "+c.want[0])
		}
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	c := smtp.Config{Host: "x", From: "a@b.c", Username: "u", Password: notifier.Secret{File: "/nowhere"}}
	_, err := smtp.New(c)
	require.ErrorContains(t, err, "open smtp: password: read secret")
	_, err = smtp.New(smtp.Config{Host: "x", From: "a@b.c", CA: "/nowhere"})
	require.ErrorContains(t, err, "open smtp: read ca: open /nowhere")
	empty := file(t, []byte("no certificate"))
	_, err = smtp.New(smtp.Config{Host: "x", From: "a@b.c", CA: empty})
	require.EqualError(t, err, "open smtp: read ca: "+empty+" holds no certificate (PEM)")
}

func TestManifestOpensAConfig(t *testing.T) {
	t.Parallel()
	m := smtp.Manifest()
	notifier.NewRegistry(m)
	require.True(t, m.Mail)
	config := m.Config().(*smtp.Config)
	config.Host, config.From = "mail.example.org", "flyte@example.org"
	n, err := m.New(config, notifier.Deps{})
	require.NoError(t, err)
	require.Implements(t, (*notifier.Checker)(nil), n)
	_, err = m.New(42, notifier.Deps{})
	require.EqualError(t, err, "open smtp: config is a int")
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][]string{
		`{"to": ["Ada L. <ada+x@example.org>", "{{.User}}"], "cc": ["{{.Labels.owner}}@example.org"], "bcc": ["b@example.org"], "reply_to": "{{.User}}", "thread": "none", "attach": "none"}`: nil,
		`{}`: {"to: required"},
		`{"to": ["a@b.c"], "thread": "all", "attach": "all"}`:                {"thread: must be one of execution, none", "attach: must be one of error, none"},
		`{"to": ["ada@example.org"], "bcc": ["\"a b\"@example.org"]}`:        {"bcc[0]: must be a mail address, such as ada@example.org or Ada <ada@example.org>"},
		`{"to": ["ada@example.org"], "reply_to": "a@b.c\r\nBcc: x@y.z"}`:     {"reply_to: must be a mail address without line breaks or control characters"},
		`{"to": ["ada@example.org", "jürgen@example.org", "ö@example.org"]}`: {"to: must be an address in ASCII; write a domain in its xn-- form"},
	} {
		d := &smtp.Destination{}
		require.NoError(t, json.Unmarshal([]byte(raw), d))
		require.Equal(t, want, problems(d.Validate()), raw)
	}
	crowd := &smtp.Destination{Bcc: []string{"b@example.org"}}
	for range 100 {
		crowd.To = append(crowd.To, "a@example.org")
	}
	require.Equal(t, []string{"to: 101 addresses with cc and bcc, more than 100"}, problems(crowd.Validate()))
	d := &smtp.Destination{To: []string{"Bob <bob@EXAMPLE.org>", "ada@example.org"}, Cc: []string{"c@example.org"}, ReplyTo: "r@example.org"}
	require.Equal(t, "ada@example.org, bob@example.org", d.Address())
	require.Equal(t, []string{"bob@example.org", "ada@example.org", "c@example.org", "r@example.org"}, d.Addresses())
}

func TestPreviewIsTheMail(t *testing.T) {
	t.Parallel()
	p, err := to("ada@example.org").Preview(notifiertest.Message())
	require.NoError(t, err)
	require.Equal(t, "train FAILED", p.Subject)
	require.Contains(t, p.Text, "ValueError: no such table")
}

// TestAllowedDomains shows what a list such as *@example.org lets through, however an address is written.
func TestAllowedDomains(t *testing.T) {
	t.Parallel()
	allow := notifier.Allow{Destinations: []string{"*@example.org", "ops@partner.example.net"}}
	for _, c := range []struct {
		d  smtp.Destination
		ok bool
	}{
		{smtp.Destination{To: []string{"ada@example.org"}}, true},
		{smtp.Destination{To: []string{"ADA@EXAMPLE.ORG"}}, true},
		{smtp.Destination{To: []string{"Eve of evil.net <ada@Example.org>"}}, true},
		{smtp.Destination{To: []string{`"ada@example.org" <eve@evil.net>`}}, false},
		{smtp.Destination{To: []string{"ada@mail.example.org"}}, false},
		{smtp.Destination{To: []string{"ada@example.org.evil.net"}}, false},
		{smtp.Destination{To: []string{"ada@evil-example.org"}}, false},
		{smtp.Destination{To: []string{"ops@partner.example.net"}}, true},
		{smtp.Destination{To: []string{"eve@partner.example.net"}}, false},
		{smtp.Destination{To: []string{"ada@example.org"}, Cc: []string{"eve@evil.net"}}, false},
		{smtp.Destination{To: []string{"ada@example.org"}, Bcc: []string{"eve@evil.net"}}, false},
		{smtp.Destination{To: []string{"ada@example.org"}, ReplyTo: "eve@evil.net"}, false},
	} {
		require.Empty(t, c.d.Validate(), "%v", c.d)
		ok := true
		for _, address := range c.d.Addresses() {
			ok = ok && allow.CheckNames(address) == nil
		}
		require.Equal(t, c.ok, ok, "%v", c.d)
	}
	for _, s := range []string{`"eve@evil.net"@example.org`, `"eve@evil.net,"@example.org`, `eve@evil.net@example.org`, `eve@evil.net,ada@example.org`, `eve@evil.net (x@example.org)y`, `<@example.org:eve@evil.net>`} {
		require.NotEmpty(t, to(s).Validate(), s)
	}
}
