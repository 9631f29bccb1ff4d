package webhook_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
)

func TestFormatsLookAsTheyDid(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "cloudevents", "mattermost", "discord", "google-chat", "ntfy"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			r := receiveAs(t, format)
			n := open(t, webhook.Config{URL: secret(t, r.URL+"/base/topic?key=a"), Format: format, AllowPrivate: true}, r.Client())

			_, err := n.Send(t.Context(), &webhook.Destination{}, failed())

			require.NoError(t, err)
			got := r.only(t)
			var pretty bytes.Buffer
			require.NoError(t, json.Indent(&pretty, got.body, "", "  "))
			golden(t, format+".json", got.method+" "+got.path+"?"+got.query+"\nContent-Type: "+got.header.Get("Content-Type")+"\n\n"+
				strings.ReplaceAll(pretty.String(), "\u200b", `\u200b`)+"\n")
		})
	}
}

func TestPreviewIsWhatIsSent(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "cloudevents", "mattermost", "discord", "google-chat"} {
		r := receiveAs(t, format)
		c := webhook.Config{URL: secret(t, r.URL), Format: format, AllowPrivate: true}
		_, err := open(t, c, r.Client()).Send(t.Context(), &webhook.Destination{}, failed())
		require.NoError(t, err)
		preview, err := c.PreviewFor(&webhook.Destination{}, failed())
		require.NoError(t, err)
		require.JSONEq(t, string(r.only(t).body), string(preview.Payload), format)
	}
	preview, err := (&webhook.Config{Format: "ntfy"}).PreviewFor(&webhook.Destination{URL: "https://ntfy.example.org/alerts"}, failed())
	require.NoError(t, err)
	require.Contains(t, string(preview.Payload), `"topic":"alerts"`)
	preview, err = (&webhook.Destination{Body: "all of it"}).Preview(failed())
	require.NoError(t, err)
	require.Equal(t, notifier.Preview{Text: "all of it"}, preview)
	preview, err = (&webhook.Destination{}).Preview(failed())
	require.NoError(t, err)
	require.Contains(t, string(preview.Payload), `"key":"d-0001"`)
}

func TestVariablesBecomeJSONWhateverTheyAre(t *testing.T) {
	t.Parallel()
	deep := any("end")
	for range 100 {
		deep = []any{deep}
	}
	m := failed()
	m.Vars = map[string]any{
		"NaN": math.NaN(), "Inf": []any{math.Inf(-1)}, "Elapsed": 90 * time.Second, "Labels": map[string]string{"a\x00": "b\x1b[31m"},
		"Deep": deep, "Numbers": map[string]any{"big": uint64(math.MaxUint64), "small": int8(-1), "half": 0.5}, "Nil": nil,
		"Struct": struct{ A int }{1}, "Bytes": []byte{1},
	}
	got, err := (&webhook.Config{}).PreviewFor(&webhook.Destination{}, m)
	require.NoError(t, err)
	var p struct{ Vars map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(got.Payload, &p))
	for name, want := range map[string]string{
		"NaN": `"NaN"`, "Inf": `["-Inf"]`, "Elapsed": `"1m30s"`, "Labels": `{"a":"b"}`, "Nil": "null", "Struct": `"{1}"`, "Bytes": "[1]",
		"Numbers": `{"big":18446744073709551615,"half":0.5,"small":-1}`,
	} {
		require.JSONEq(t, want, string(p.Vars[name]), name)
	}
	require.Less(t, len(p.Vars["Deep"]), 500)

	m.Vars = map[string]any{"Phase": "FAILED", "Inputs": map[string]any{}}
	for i := range 100 {
		m.Vars["Inputs"].(map[string]any)[strings.Repeat("k", i+1)] = strings.Repeat("x", 10_000)
	}
	got, err = (&webhook.Config{}).PreviewFor(&webhook.Destination{}, m)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(got.Payload, &p))
	require.JSONEq(t, "null", string(p.Vars["Inputs"]), "too large for a message")
	require.JSONEq(t, `"FAILED"`, string(p.Vars["Phase"]))

	labels := map[string]string{}
	m.Vars["Labels"] = labels
	for i := range 300 {
		labels[strings.Repeat("k", i+1)] = strings.Repeat("x", 1000)
	}
	got, err = (&webhook.Config{}).PreviewFor(&webhook.Destination{}, m)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(got.Payload, &p))
	require.JSONEq(t, "null", string(p.Vars["Labels"]), "the labels too")
	require.JSONEq(t, `"FAILED"`, string(p.Vars["Phase"]))
	for i := range 20 {
		m.Vars[strings.Repeat("v", i+1)] = strings.Repeat("x", 16<<10)
	}
	got, err = (&webhook.Config{}).PreviewFor(&webhook.Destination{}, m)
	require.NoError(t, err)
	p.Vars = nil
	require.NoError(t, json.Unmarshal(got.Payload, &p))
	require.Empty(t, p.Vars, "less than all would be too large")
}

func TestEventTypes(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"phase:FAILED": "org.flyte.notification.phase", "running_for:2h0m0s": "org.flyte.notification.running_for",
		"send": "org.flyte.notification.send", "": "org.flyte.notification", "a b:c": "org.flyte.notification", "../x": "org.flyte.notification",
	} {
		m := failed()
		m.Reason, m.Vars, m.Time = reason, map[string]any{"Project": "a/b"}, time.Time{}
		got, err := (&webhook.Config{Format: "cloudevents", Source: "/flyte/prod"}).PreviewFor(&webhook.Destination{}, m)
		require.NoError(t, err)
		var e map[string]any
		require.NoError(t, json.Unmarshal(got.Payload, &e))
		require.Equal(t, want, e["type"], reason)
		require.Equal(t, "a%2Fb", e["subject"])
		require.Equal(t, "/flyte/prod", e["source"])
		require.NotContains(t, e, "time")
	}
}

func TestColorsAndMarksFollowTheStatus(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, status := range []notifier.Status{notifier.Success, notifier.Info, notifier.Warning, notifier.Failure} {
		for _, format := range []string{"discord", "mattermost", "ntfy"} {
			m := notifier.Message{Title: "x", Status: status}
			got, err := (&webhook.Config{Format: format}).PreviewFor(&webhook.Destination{}, m)
			require.NoError(t, err)
			require.False(t, seen[string(got.Payload)], "%s of %s looks like another", status, format)
			seen[string(got.Payload)] = true
		}
	}
}

func TestLongListsSaySo(t *testing.T) {
	t.Parallel()
	m := notifier.Message{Title: "x", Error: strings.Repeat("line\n", 5000)}
	for range 60 {
		m.Facts = append(m.Facts, notifier.Fact{Name: "name", Value: strings.Repeat("v", 200)})
	}
	for _, format := range []string{"discord", "mattermost", "google-chat", "ntfy"} {
		got, err := (&webhook.Config{Format: format}).PreviewFor(&webhook.Destination{}, m)
		require.NoError(t, err)
		require.Contains(t, string(got.Payload), "…", format)
		if format != "ntfy" { // there the text itself ends
			require.Equal(t, 1, strings.Count(string(got.Payload), "more facts than are shown"), format)
		}
	}
}

func TestTemplatedBody(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		content, body string
		want, wrong   string
	}{
		"JSON by default":   {body: `{"text": "a"}`, want: "application/json"},
		"not JSON":          {body: `{"text": "a"b"}`, wrong: "webhook: body: is not JSON (write texts as {{.Error | toJson}}, without quotes around it)"},
		"a suffix":          {content: "application/vnd.x+json; charset=utf-8", body: "no", wrong: "webhook: body: is not JSON"},
		"text":              {content: "text/plain; charset=utf-8", body: "no \"JSON\"", want: "text/plain; charset=utf-8"},
		"nothing":           {wrong: "webhook: body: required: the connection's format is template, and it has none"},
		"JSON and a suffix": {content: "application/cloudevents+json", body: "[]", want: "application/cloudevents+json"},
	} {
		r := receive(t)
		n := open(t, webhook.Config{URL: secret(t, r.URL), Format: "template", ContentType: tc.content, AllowPrivate: true, Method: "PUT"}, r.Client())
		_, err := n.Send(t.Context(), &webhook.Destination{Body: tc.body}, failed())
		if tc.wrong != "" {
			require.ErrorContains(t, err, tc.wrong, name)
			verdict, _ := notifier.VerdictOf(err)
			require.Equal(t, notifier.Permanent, verdict, name)
			require.Empty(t, r.all(), name)
			continue
		}
		require.NoError(t, err, name)
		got := r.only(t)
		require.Equal(t, tc.want, got.header.Get("Content-Type"), name)
		require.Equal(t, tc.body, string(got.body), name)
		require.Equal(t, http.MethodPut, got.method, name)
	}
}

// A link is one in whatever shows it, and names nobody.
func TestLinksAreWhole(t *testing.T) {
	t.Parallel()
	m := failed()
	m.Facts, m.Links = nil, nil
	for _, raw := range []string{
		"http://[::1]:8080/a", "https://example.org/@channel/*a*(b)", "https://:80/", "https://u:p@example.org/", "javascript:alert(1)",
		"https://example.org/" + strings.Repeat("(", 1000), "https://example.org/" + strings.Repeat("@", 1000),
	} {
		m.Links = append(m.Links, notifier.Link{Text: "x", URL: raw})
	}
	preview, err := (&webhook.Config{}).PreviewFor(&webhook.Destination{}, m)
	require.NoError(t, err)
	var p webhook.Payload
	require.NoError(t, json.Unmarshal(preview.Payload, &p))
	require.Equal(t, []webhook.Link{{Text: "x", URL: "http://[::1]:8080/a"}, {Text: "x", URL: "https://example.org/%40channel/%2Aa%2A%28b%29"}}, p.Links)
}
