package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// A test goes out as the server would send it: with what the connection adds, and rendered.
func TestSendFillsAndRenders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	posted := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posted <- r.URL.Path + " " + string(body)
	}))
	t.Cleanup(hook.Close)
	w.write("hook", hook.URL+"/hook")
	w.change("defaults: {", w.fill(`  own: {webhook: {url: {file: "DIR/hook"}, format: template, body: '{"text": {{.Error | toJson}}}', allow_private: true}}
  theirs: {webhook: {allow_private: true, format: template, body: '[]'}, allow: {destinations: ["127.0.0.1"]}}
`)+"defaults: {")

	got := w.on("send", "--connection", "own", "--body", `say "hi"`)
	require.Equal(t, 0, got.code, got.stderr)
	require.Equal(t, `/hook {"text": "say \"hi\""}`, <-posted)

	got = w.on("send", "--connection", "own", "--to", `body='["{{.Reason}}"]'`)
	require.Equal(t, 0, got.code, got.stderr)
	require.Equal(t, `/hook ["test"]`, <-posted, "what is given goes before")

	got = w.on("send", "--connection", "theirs", "--to", "url='"+hook.URL+"/{{.Reason}}'")
	require.Equal(t, 0, got.code, got.stderr)
	require.Equal(t, "/test []", <-posted)

	got = w.on("send", "--connection", "own", "--to", "body='{{.Nope}}'")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "--to: body: line 1:2: unknown variable .Nope")
	require.Empty(t, posted)
}
