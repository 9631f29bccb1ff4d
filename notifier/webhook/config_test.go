package webhook_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
)

// decode reads a connection's keys as the server does.
func decode(t *testing.T, text string) (*webhook.Config, string) {
	t.Helper()
	tree, err := strict.YAML([]byte(text))
	require.NoError(t, err)
	if tree == nil {
		tree = map[string]any{}
	}
	c, ok := webhook.Manifest().Config().(*webhook.Config)
	require.True(t, ok)
	return c, texts(strict.Decode(tree, c))
}

func TestConfigsThatAreRight(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"{}", "{url: {env: A}, signing_secret: {file: /b}, allow_private: true}",
		"{headers: {X-A: {env: A}, X-B: {file: /b}, X-C: {value: 'plain text'}}}", "{method: PATCH, format: cloudevents, source: //flyte.example.org/prod}",
		"{format: template, content_type: text/plain; charset=utf-8}", "{format: template, body: '{{.Name}}'}", "{format: template, body: '[]'}", "{format: template, body: hello, content_type: text/plain}", "{format: discord}", "{format: ntfy, method: POST}",
	} {
		_, problems := decode(t, text)
		require.Empty(t, problems, text)
	}
	c, _ := decode(t, "{}")
	require.Equal(t, "POST json", c.Method+" "+c.Format)
}

func TestConfigsThatAreWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{url: https://example.org/secret}":                  "url: must be {env: NAME} or {file: PATH}, not a string",
		"{url: {}}":                                          "url: must be exactly one of {env: NAME} and {file: PATH}",
		"{headers: {X-A: {}}}":                               "headers.X-A: must be exactly one of {env: NAME}, {file: PATH} and {value: TEXT}",
		"{headers: {X-A: {env: A, value: b}}}":               "headers.X-A: must be exactly one of {env: NAME}, {file: PATH} and {value: TEXT}",
		"{headers: {X-A: secret}}":                           "headers.X-A: must be a mapping, not a string",
		`{headers: {X-A: {value: "a\r\nX-B: c"}}}`:           "headers.X-A.value: must be text without line breaks and control characters",
		"{headers: {'X A': {value: a}}}":                     `headers: "X A" is no name of a header`,
		"{headers: {webhook-id: {value: a}}}":                "headers.webhook-id: is set by the notifier itself",
		"{headers: {content-TYPE: {value: a}}}":              "headers.content-TYPE: is set by the notifier itself",
		"{headers: {x-idempotency-key: {value: a}}}":         "headers.x-idempotency-key: is set by the notifier itself",
		"{headers: {X-a: {value: a}, x-A: {value: b}}}":      "headers.x-A: is the same header as X-a",
		"{method: GET}":                                      `method: must be one of POST, PUT, PATCH, not "GET"`,
		"{format: slack}":                                    `format: must be one of json, cloudevents, template, mattermost, discord, google-chat, ntfy, not "slack"`,
		"{format: discord, method: PUT}":                     "method: must be POST for discord",
		"{source: /a}":                                       "source: goes with format cloudevents alone",
		"{format: cloudevents, source: 'a b'}":               "source: must be a URI or part of one, such as /flyte/production",
		"{content_type: text/plain}":                         "content_type: goes with format template alone",
		"{format: template, content_type: 'text/plain; \"'}": "content_type: must be a media type, such as text/plain; charset=utf-8",
		"{format: template, body: hello}":                    "body: is not JSON (write texts as {{.Error | toJson}}, without quotes around it)",
		"{body: a}":                                          "body: goes with format template alone",
	} {
		_, problems := decode(t, text)
		require.Equal(t, want, problems, text)
	}
}

func TestSecretsNeedAPlaceToGo(t *testing.T) {
	t.Parallel()
	const want = "allow.destinations: required: the connection has headers or a signing_secret and no url, so that tasks could have them sent anywhere; " +
		"name the hosts, such as hooks.example.org"
	allow := notifier.Allow{Destinations: []string{"hooks.example.org"}}
	for text, wrong := range map[string]bool{
		"{}": false, "{url: {env: A}, signing_secret: {env: B}}": false, "{signing_secret: {env: B}}": true, "{headers: {A: {env: B}}}": true,
		"{headers: {A: {value: b}}}": true, "{headers: {}}": false,
	} {
		c, _ := decode(t, text)
		if wrong {
			require.Equal(t, want, texts(c.CheckAllow(notifier.Allow{Scopes: []string{"ml/*"}})), text)
		} else {
			require.Empty(t, c.CheckAllow(notifier.Allow{}), text)
		}
		require.Empty(t, c.CheckAllow(allow), text)
	}
}

func TestHostsAreAllowedInLowerCase(t *testing.T) {
	t.Parallel()
	c, _ := decode(t, "{}")
	require.Equal(t, `allow.destinations[1]: hosts are compared in lower case: write "*.hooks.example.org"`,
		texts(c.CheckAllow(notifier.Allow{Destinations: []string{"hooks.example.org", "*.Hooks.Example.Org"}})))
}

func TestDestinationsThatFitTheConnection(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		config string
		d      webhook.Destination
		want   string
	}{
		"own URL":           {"{url: {env: A}}", webhook.Destination{}, ""},
		"the task's":        {"{}", webhook.Destination{URL: "http://example.org"}, ""},
		"both":              {"{url: {env: A}}", webhook.Destination{URL: "{{.Name}}"}, "url: must not be given: the connection has one"},
		"neither":           {"{}", webhook.Destination{}, "url: required: the connection has none"},
		"headers in clear":  {"{headers: {A: {env: B}}}", webhook.Destination{URL: "HTTP://example.org"}, "url: must be https, because the connection's headers go with the message"},
		"headers inside":    {"{headers: {A: {env: B}}, allow_private: true}", webhook.Destination{URL: "http://example.org"}, ""},
		"headers with TLS":  {"{headers: {A: {env: B}}}", webhook.Destination{URL: "https://example.org"}, ""},
		"a body of its own": {"{url: {env: A}}", webhook.Destination{Body: "{}"}, "body: must not be given: the connection's format is not template"},
		"a body wanted":     {"{url: {env: A}, format: template}", webhook.Destination{}, "body: required: the connection's format is template, and it has none"},
		"no topic":          {"{format: ntfy}", webhook.Destination{URL: "https://ntfy.example.org/"}, "url: must end with the topic, as https://ntfy.example.org/topic"},
		"a topic":           {"{format: ntfy}", webhook.Destination{URL: "https://ntfy.example.org/topic"}, ""},
		"a topic, perhaps":  {"{format: ntfy}", webhook.Destination{URL: "https://ntfy.example.org/{{.Project}}"}, ""},
		"no JSON":           {"{url: {env: A}, format: template}", webhook.Destination{Body: "hello"}, "body: is not JSON (write texts as {{.Error | toJson}}, without quotes around it)"},
		"text":              {"{url: {env: A}, format: template, content_type: text/plain}", webhook.Destination{Body: "hello"}, ""},
		"a body given":      {"{url: {env: A}, format: template}", webhook.Destination{Body: "{{.Name}}"}, ""},
	} {
		c, problems := decode(t, tc.config)
		require.Empty(t, problems, name)
		require.Equal(t, tc.want, texts(c.CheckDestination(&tc.d)), name)
	}
}

func TestDestinationsAddresses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][]string{
		"":                                     nil,
		"https://Hooks.Example.org:443/a/b?c":  {"hooks.example.org"},
		"https://hooks.example.org./":          {"hooks.example.org"},
		"http://[::1]:80/":                     {"::1"},
		"https://{{.Labels.host}}/":            {"a url with {{"},
		"https://hooks.example.org/{{.Name}}":  {"a url with {{"},
		"https://a.example.org@b.example.org/": {"what is no url"},
	} {
		require.Equal(t, want, (&webhook.Destination{URL: raw}).Addresses(), raw)
	}
	a := (&webhook.Destination{URL: "https://hooks.example.org/" + urlToken}).Address()
	b := (&webhook.Destination{URL: "https://hooks.example.org/other"}).Address()
	require.NotEqual(t, a, b)
	require.NotContains(t, a, urlToken)
	require.True(t, strings.HasPrefix(a, "hooks.example.org "), a)
	require.Equal(t, "own url", (&webhook.Destination{}).Address())
	require.Equal(t, "url", (&webhook.Destination{URL: "{{.Inputs.url}}"}).Address())
}

func TestMessagesComeOnceWhereTheReceiverHeedsTheID(t *testing.T) {
	t.Parallel()
	m := webhook.Manifest()
	for format, want := range map[string]bool{
		"json": true, "cloudevents": true, "template": true, "mattermost": false, "discord": false, "google-chat": false, "ntfy": false,
	} {
		require.Equal(t, want, (&notifier.Connection{Config: &webhook.Config{Format: format}}).Idempotent(m), format)
	}
	require.True(t, (&notifier.Connection{}).Idempotent(m))
	require.False(t, (&notifier.Connection{}).Idempotent(notifier.Manifest{}))
	require.Equal(t, notifier.Rate{PerSecond: 1, Burst: 1}, (&webhook.Config{Format: "google-chat"}).OwnRate())
	require.NotZero(t, (&webhook.Config{Format: "discord"}).OwnRate())
	require.Zero(t, (&webhook.Config{}).OwnRate())
}

func TestOpenFailsWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	client := &http.Client{}
	deps := notifier.Deps{HTTP: client, Guarded: client}
	missing := notifier.Secret{Env: "FLYTE_NOTIFIER_TEST_UNSET"}
	for want, c := range map[string]webhook.Config{
		"open webhook: url: secret env:FLYTE_NOTIFIER_TEST_UNSET is empty or not set":            {URL: missing},
		"open webhook: headers.X-A: secret env:FLYTE_NOTIFIER_TEST_UNSET is empty or not set":    {Headers: map[string]webhook.Header{"X-A": {Secret: missing}}},
		"open webhook: signing_secret: secret env:FLYTE_NOTIFIER_TEST_UNSET is empty or not set": {SigningSecret: missing},
		"is not base64 after whsec_": {SigningSecret: secret(t, "whsec_***")},
		"is empty after whsec_":      {SigningSecret: secret(t, "whsec_")},
		"holds line breaks":          {Headers: map[string]webhook.Header{"X-A": {Secret: secret(t, "a\nb")}}},
		"open webhook: method":       {Format: "ntfy", Method: "PUT"},
	} {
		_, err := webhook.New(c, deps)
		require.ErrorContains(t, err, want)
	}
	_, err := webhook.New(webhook.Config{}, notifier.Deps{HTTP: client})
	require.ErrorContains(t, err, "an HTTP client is missing")
	_, err = webhook.Manifest().New("no config", deps)
	require.ErrorContains(t, err, "config is a string")
}
