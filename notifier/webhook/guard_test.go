package webhook_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
)

// served makes a notifier with the clients of the server.
func served(t testing.TB, c webhook.Config) *webhook.Notifier {
	t.Helper()
	n, err := webhook.New(c, app.Deps())
	require.NoError(t, err)
	return n
}

// refusedFor is the error of a send that must end for good.
func refusedFor(t testing.TB, n *webhook.Notifier, url string) error {
	t.Helper()
	_, err := n.Send(t.Context(), &webhook.Destination{URL: url}, failed())
	require.Error(t, err, url)
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Permanent, verdict, "%s: %v", url, err)
	return err
}

// Where a task names the URL, it must not lead inside: by address, by name, by another way to write either, or by port.
func TestWhatATaskNamesLeadsNowhereInside(t *testing.T) {
	t.Parallel()
	inside := receive(t)
	port := ":" + inside.URL[strings.LastIndex(inside.URL, ":")+1:]
	n := served(t, webhook.Config{})
	for _, host := range []string{
		"127.0.0.1" + port, "localhost" + port, "LOCALHOST" + port, "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0",
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]",
		"203.0.113.1:22", "203.0.113.1:8080",
	} {
		for _, scheme := range []string{"http://", "https://"} {
			require.ErrorIs(t, refusedFor(t, n, scheme+host+"/hook"), notifier.ErrForbiddenAddress, host)
		}
	}
	require.Empty(t, inside.all())
}

func TestURLsThatAreNone(t *testing.T) {
	t.Parallel()
	n := served(t, webhook.Config{})
	for raw, want := range map[string]string{
		"ftp://example.org/x":                              "must be an http or https URL",
		"//example.org/x":                                  "must be an http or https URL",
		"example.org":                                      "must be an http or https URL",
		"https:example.org":                                "must be an http or https URL",
		"https://":                                         "must be an http or https URL",
		"https://:443/":                                    "must be an http or https URL",
		"file:///etc/passwd":                               "must be an http or https URL",
		"gopher://127.0.0.1:25/x":                          "must be an http or https URL",
		"https://user@example.org/":                        "must have no user or password",
		"https://user:pw@example.org/":                     "must have no user or password",
		"https://127.0.0.1@example.org/":                   "must have no user or password",
		"https://example.org/#x":                           "must have no fragment",
		"https://example.org:0/":                           "must have a port from 1 to 65535",
		"https://example.org:99999/":                       "must have a port from 1 to 65535",
		"https://exa mple.org/":                            "must be",
		"https://example.org/\r\nHost: evil":               "must be",
		"https://example.org/a b":                          "must be a URL without white space",
		"https://example.org/\u202e":                       "must be a URL without white space and control characters",
		"https://example.org%00.evil/":                     "must be an http or https URL",
		"https://example.org/" + strings.Repeat("x", 2048): "must have at most 2048 bytes",
		"https://hooks\u3002example.org/":                  "must have its host in ASCII",
		"":                                                 "required: the connection has none",
		"https://example.org/{{.Name}}":                    "holds {{ after its template was rendered",
	} {
		err := refusedFor(t, n, raw)
		require.ErrorContains(t, err, "webhook: url: ")
		require.ErrorContains(t, err, want, raw)
		if len(raw) > len("example.org") {
			require.NotContains(t, err.Error(), raw)
		}
	}
}

// allow_private opens what is private, but neither the cloud's metadata service nor what else is special.
func TestAllowPrivateOpensPrivateAndLoopback(t *testing.T) {
	t.Parallel()
	inside := receive(t)
	n := served(t, webhook.Config{AllowPrivate: true})
	_, err := n.Send(t.Context(), &webhook.Destination{URL: inside.URL + "/hook"}, failed())
	require.NoError(t, err)
	require.Equal(t, "/hook", inside.only(t).path)
	for _, host := range []string{"169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "0.0.0.0", "100.64.0.1"} {
		require.ErrorIs(t, refusedFor(t, n, "http://"+host+"/"), notifier.ErrForbiddenAddress, host)
	}
}

// A connection's own URL is guarded as well, until the operator says otherwise.
func TestOwnURLIsGuardedUnlessPrivateIsAllowed(t *testing.T) {
	t.Parallel()
	inside := receive(t)
	own := secret(t, inside.URL+"/"+urlToken)

	_, err := served(t, webhook.Config{URL: own}).Send(t.Context(), &webhook.Destination{}, failed())
	require.ErrorIs(t, err, notifier.ErrForbiddenAddress)
	require.ErrorContains(t, err, "(allow_private: true of the connection opens private addresses and other ports)")
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Permanent, verdict)
	require.NotContains(t, err.Error(), urlToken)
	require.Empty(t, inside.all())

	receipt, err := served(t, webhook.Config{URL: own, AllowPrivate: true}).Send(t.Context(), &webhook.Destination{}, failed())
	require.NoError(t, err)
	require.Equal(t, notifier.Receipt{"status": "204"}, receipt)
	inside.only(t)
}

func TestARedirectInsideIsNotFollowed(t *testing.T) {
	t.Parallel()
	inside := receive(t)
	outside := httptest.NewServer(http.RedirectHandler(inside.URL+"/"+urlToken, http.StatusTemporaryRedirect))
	t.Cleanup(outside.Close)
	for _, c := range []webhook.Config{{AllowPrivate: true}, {AllowPrivate: true, URL: secret(t, outside.URL)}} {
		to, where := &webhook.Destination{}, "the connection's url"
		if c.URL.IsZero() {
			to.URL, where = outside.URL, "the destination's url"
		}
		_, err := served(t, c).Send(t.Context(), to, failed())
		require.EqualError(t, err, "webhook: HTTP status 307 Temporary Redirect (redirects are not followed: put the address it leads to into "+where+")")
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, notifier.Permanent, verdict)
	}
	require.Empty(t, inside.all())
}

// The token may be anywhere in the URL, and the service or the network may repeat it in any form.
func TestTheURLIsInNoError(t *testing.T) {
	t.Parallel()
	r := receive(t)
	u, err := url.Parse(r.URL)
	require.NoError(t, err)
	for _, raw := range []string{
		r.URL + "/services/" + urlToken, r.URL + "/?token=" + urlToken, r.URL + "/a?" + urlToken, "http://user:" + urlToken + "@" + u.Host + "/",
		"http://" + urlToken + ":x@" + u.Host + "/", r.URL + "/x%2F" + urlToken + "%20y",
	} {
		n := open(t, webhook.Config{URL: secret(t, raw), AllowPrivate: true}, r.Client())
		for _, body := range []string{
			`{"message": "no such hook ` + raw + `"}`, `{"error": "POST /services/` + urlToken + ` failed"}`,
			`{"error": {"message": "bad token ` + urlToken + `"}}`, raw,
		} {
			for _, status := range []int{302, 400, 404, 429, 500} {
				r.answers(status, body, map[string]string{"Location": raw})
				_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
				require.Error(t, err)
				require.NotContains(t, err.Error(), urlToken, "%s: %s", raw, body)
			}
		}
	}
	for _, raw := range []string{"http://127.0.0.1:1/" + urlToken, "https://" + u.Host + "/" + urlToken} {
		n := open(t, webhook.Config{URL: secret(t, raw), AllowPrivate: true}, r.Client())
		_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
		require.Error(t, err)
		require.NotContains(t, err.Error(), urlToken)
		require.NotContains(t, n.Check(t.Context()).Error(), urlToken)
	}
	for _, raw := range []string{"https://%zz/" + urlToken, "://" + urlToken, urlToken, "https://example.org/\x7f" + urlToken} {
		_, err := webhook.New(webhook.Config{URL: secret(t, raw)}, app.Deps())
		require.ErrorContains(t, err, "open webhook: url: what is in file:")
		require.NotContains(t, err.Error(), urlToken)
	}
}

// What allow refuses is stored and logged, also where it is no URL.
func TestAddressesShowNoToken(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://Hooks.example.org.:8443/" + urlToken:       "hooks.example.org",
		"https://hooks.example.org/" + urlToken + "/{{.X}}": "a url with {{",
		"hooks.example.org/" + urlToken:                     "what is no url",
	} {
		d := &webhook.Destination{URL: raw}
		require.Equal(t, []string{want}, d.Addresses())
		require.Equal(t, notifier.IsTemplate(raw), notifier.IsTemplate(d.Addresses()[0]))
		require.NotContains(t, d.Address(), urlToken)
	}
}

// A short path tells nothing: to hide it would hide every such letter, and how to mend what is wrong.
func TestAShortPathHidesNoHint(t *testing.T) {
	t.Parallel()
	_, err := served(t, webhook.Config{}).Send(t.Context(), &webhook.Destination{URL: "http://10.0.0.5/a"}, failed())
	require.ErrorIs(t, err, notifier.ErrForbiddenAddress)
	require.ErrorContains(t, err, "(allow_private: true of the connection opens")
	require.NotContains(t, err.Error(), "<secret>")
}

// What a receiver repeats may be what the client made of the URL.
func TestUserAndPasswordAreInNoError(t *testing.T) {
	t.Parallel()
	r := receive(t)
	raw := strings.Replace(r.URL, "http://", "http://me:s3cr:t@", 1) + "/"
	n := open(t, webhook.Config{URL: secret(t, raw), AllowPrivate: true}, r.Client())
	_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
	require.NoError(t, err)
	sent := r.only(t).header.Get("Authorization")
	require.NotEmpty(t, sent)
	r.answers(http.StatusForbidden, `{"message": "bad `+sent+`"}`, nil)
	_, err = n.Send(t.Context(), &webhook.Destination{}, failed())
	require.ErrorContains(t, err, "bad Basic <secret>")
}

// A receiver may repeat what Basic holds as it reads it.
func TestUserAndPasswordOfAHeaderAreInNoError(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"Basic ", "basic  "} {
		r := receive(t)
		header := scheme + base64.StdEncoding.EncodeToString([]byte("me:s3cr:t"))
		n := open(t, webhook.Config{URL: secret(t, r.URL), AllowPrivate: true, Headers: map[string]webhook.Header{"Authorization": {Secret: secret(t, header)}}}, r.Client())
		r.answers(http.StatusForbidden, `{"message": "not `+header+`, not me:s3cr:t, not 's3cr:t'"}`, nil)
		_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
		require.ErrorContains(t, err, "not <secret>, not '<secret>'")
		require.NotContains(t, err.Error(), "s3cr")
	}
}
