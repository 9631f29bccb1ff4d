package sendgrid_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
)

func problems(all []notifier.Problem) []string {
	var lines []string
	for _, p := range all {
		lines = append(lines, p.String())
	}
	return lines
}

func TestValidDestinations(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`{"to": ["ada@example.org"]}`,
		`{"to": ["Ada L. <ada+x@example.org>", "{{.User}}"], "cc": ["{{.Labels.owner}}@example.org"], "bcc": ["b@example.org"], "reply_to": "{{.User}}"}`,
		`{"to": ["ada@example.org"], "template_id": "d-0123abcd", "categories": ["a", "{{.Workflow}}"], "subject": "{{.Phase}}\n"}`,
		`{"to": ["ada@example.org"], "template_id": "{{.Inputs.template}}"}`,
	} {
		d := &sendgrid.Destination{}
		require.NoError(t, json.Unmarshal([]byte(raw), d))
		require.Empty(t, d.Validate(), raw)
	}
}

func TestInvalidDestinations(t *testing.T) {
	t.Parallel()
	const address = "must be a mail address, such as ada@example.org or Ada <ada@example.org>"
	many := make([]string, 1001)
	for i := range many {
		many[i] = "a@example.org"
	}
	for name, c := range map[string]struct {
		d    sendgrid.Destination
		want []string
	}{
		"nothing":     {sendgrid.Destination{}, []string{"to: required"}},
		"no address":  {sendgrid.Destination{To: []string{"ada", ""}, Cc: []string{"a@"}, Bcc: []string{"@b"}, ReplyTo: "c"}, []string{"to[0]: " + address, "to[1]: " + address, "cc[0]: " + address, "bcc[0]: " + address, "reply_to: " + address}},
		"two in one":  {sendgrid.Destination{To: []string{"a@example.org, b@example.org"}}, []string{"to[0]: " + address}},
		"line breaks": {sendgrid.Destination{To: []string{"a@example.org\r\nBcc: b@example.org"}}, []string{"to[0]: must be a mail address without line breaks or control characters"}},
		"template id": {sendgrid.Destination{To: []string{"a@example.org"}, TemplateID: "7c1d-legacy"}, []string{"template_id: must be the id of a dynamic template, such as d-0123456789abcdef0123456789abcdef"}},
		"eleven":      {sendgrid.Destination{To: []string{"a@example.org"}, Categories: strings.Split("abcdefghijk", "")}, []string{"categories: 11 are more than SendGrid's 10"}},
		"a crowd":     {sendgrid.Destination{To: many}, []string{"to: 1001 addresses with cc and bcc, more than 1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, problems(c.d.Validate()))
		})
	}
}

// TestAllowedDomains shows what a list such as *@example.org lets through, however an address is written.
func TestAllowedDomains(t *testing.T) {
	t.Parallel()
	allow := notifier.Allow{Destinations: []string{"*@Example.org"}}
	for _, c := range []struct {
		d  sendgrid.Destination
		ok bool
	}{
		{sendgrid.Destination{To: []string{"Eve of evil.net <ADA@EXAMPLE.ORG>"}}, true},
		{sendgrid.Destination{To: []string{`"ada@example.org" <eve@evil.net>`}}, false},
		{sendgrid.Destination{To: []string{"ada@mail.example.org"}}, false},
		{sendgrid.Destination{To: []string{"ada@example.org.evil.net"}}, false},
		{sendgrid.Destination{To: []string{"ada@example.org"}, Cc: []string{"eve@evil.net"}}, false},
		{sendgrid.Destination{To: []string{"ada@example.org"}, Bcc: []string{"eve@evil.net"}}, false},
		{sendgrid.Destination{To: []string{"ada@example.org"}, ReplyTo: "eve@evil.net"}, false},
	} {
		require.Empty(t, c.d.Validate(), "%v", c.d)
		ok := true
		for _, address := range c.d.Addresses() {
			ok = ok && allow.CheckNames(address) == nil
		}
		require.Equal(t, c.ok, ok, "%v", c.d)
	}
}

func TestAddressIsOneLaneForTheSamePeople(t *testing.T) {
	t.Parallel()
	a := &sendgrid.Destination{To: []string{"Bob <bob@EXAMPLE.org>", "ada@example.org"}, Cc: []string{"c@example.org"}}
	b := &sendgrid.Destination{To: []string{"ada@Example.org", "bob@example.org", "ada@example.org"}}
	require.Equal(t, "ada@example.org, bob@example.org", a.Address())
	require.Equal(t, a.Address(), b.Address())
}

func TestAddressesAreAllThatAMailReaches(t *testing.T) {
	t.Parallel()
	d := &sendgrid.Destination{
		To: []string{"Ada <ada@EXAMPLE.org>", "{{.User}}"}, Cc: []string{"c@example.org", "ada@example.org"}, Bcc: []string{"b@example.org"}, ReplyTo: "R <r@Example.org>",
	}
	require.Equal(t, []string{"ada@example.org", "{{.User}}", "c@example.org", "b@example.org", "r@example.org"}, d.Addresses())
}

func TestUnrenderedTextIsNotSent(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})
	for path, d := range map[string]*sendgrid.Destination{
		"to[1]":    {To: []string{"a@example.org", "{{.User}}"}},
		"bcc[0]":   {To: []string{"a@example.org"}, Bcc: []string{"{{"}},
		"reply_to": {To: []string{"a@example.org"}, ReplyTo: "{{.User}}"},
		"cc[0]":    {To: []string{"a@example.org"}, Cc: []string{"nobody"}},
	} {
		_, err := n.Send(t.Context(), d, notifiertest.Message())
		require.ErrorContains(t, err, "sendgrid: "+path+": must be a mail address")
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, notifier.Permanent, verdict)
	}
	require.Zero(t, sim.Requests())
}

func TestManifestOpensAConfig(t *testing.T) {
	t.Parallel()
	m := sendgrid.Manifest()
	notifier.NewRegistry(m)
	config := m.Config().(*sendgrid.Config)
	config.APIKey, config.From = secret(t, apiKey), "flyte@example.org"

	n, err := m.New(config, notifier.Deps{HTTP: http.DefaultClient})
	require.NoError(t, err)
	require.Implements(t, (*notifier.Checker)(nil), n)

	_, err = m.New(42, notifier.Deps{})
	require.EqualError(t, err, "open sendgrid: config is a int")
}

func TestInvalidConfigs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config sendgrid.Config
		want   []string
	}{
		{sendgrid.Config{From: "Flyte <flyte@example.org>", Host: "http://127.0.0.1:1", DataResidency: "eu"}, nil},
		{sendgrid.Config{}, []string{"from: required"}},
		{sendgrid.Config{From: "flyte"}, []string{"from: must be a mail address, such as ada@example.org or Ada <ada@example.org>"}},
		{sendgrid.Config{From: "a@example.org", ListUnsubscribe: "javascript:x"}, []string{"list_unsubscribe: must be a mailto: or https: URL"}},
		{sendgrid.Config{From: "a@example.org", DataResidency: "mars"}, []string{"data_residency: must be global or eu"}},
	} {
		require.Equal(t, c.want, problems(c.config.Validate()))
		if c.want != nil {
			_, err := sendgrid.New(c.config, nil)
			require.ErrorContains(t, err, "open sendgrid: "+c.want[0])
		}
	}
}

func TestUnusableKeysAreRefusedWithoutShowingThem(t *testing.T) {
	t.Parallel()
	_, err := sendgrid.New(sendgrid.Config{From: "a@example.org", APIKey: notifier.Secret{File: "/does/not/exist"}}, nil)
	require.ErrorContains(t, err, "open sendgrid: api_key: read secret")

	_, err = sendgrid.New(sendgrid.Config{From: "a@example.org", APIKey: secret(t, "SG.hush\nSG.hush")}, nil)
	require.ErrorContains(t, err, "holds white space")
	require.NotContains(t, err.Error(), "hush")
}
