package teams_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/teams"
)

// query is what makes a workflow's URL a secret; signature is the part of it that does.
const (
	signature = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"
	path      = "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
	query     = "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + signature
)

// secret writes a value where a config can refer to it.
func secret(t testing.TB, value string) notifier.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(file, []byte(value+"\n"), 0o600))
	return notifier.Secret{File: file}
}

func open(t testing.TB, url string, client *http.Client) *teams.Notifier {
	t.Helper()
	n, err := teams.New(teams.Config{URL: secret(t, url+path+query)}, client)
	require.NoError(t, err)
	return n
}

// serve returns a notifier whose service is h.
func serve(t testing.TB, h http.Handler) *teams.Notifier {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return open(t, server.URL, server.Client())
}

// workflow is one that takes what Teams shows, and keeps it.
type workflow struct {
	mu    sync.Mutex
	cards [][]byte
}

func (f *workflow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	switch {
	case r.Method != http.MethodPost || r.URL.Path != path:
		fail(w, http.StatusNotFound, "WorkflowNotFound", "The workflow could not be found.")
	case r.URL.Query().Get("sig") != signature:
		fail(w, http.StatusUnauthorized, "AuthorizationFailed", "The authentication credentials are not valid.")
	case err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || !json.Valid(body):
		fail(w, http.StatusBadRequest, "InvalidRequestContent", "The request content is not valid and could not be deserialized.")
	case len(body) > 28<<10:
		fail(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The card is too large.")
	default:
		f.mu.Lock()
		f.cards = append(f.cards, body)
		f.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": message}}) // the client went away
}

// node is any object of a card.
type node struct {
	Type, Text, Title, Value, URL, Style, Spacing, FontType, FallbackText string
	Items, Inlines, Facts, Actions, Body                                  []node
	SelectAction                                                          *node
}

// cardOf is the card in a request.
func cardOf(t testing.TB, body []byte) node {
	t.Helper()
	var sent struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     node
		}
	}
	assert.NoError(t, json.Unmarshal(body, &sent))
	assert.Equal(t, "message", sent.Type)
	if !assert.Len(t, sent.Attachments, 1) {
		return node{}
	}
	assert.Equal(t, "application/vnd.microsoft.card.adaptive", sent.Attachments[0].ContentType)
	assert.NotContains(t, string(body), `"entities"`, "nobody can be mentioned")
	return sent.Attachments[0].Content
}

// walk visits all objects below n.
func (n node) walk(visit func(node)) {
	visit(n)
	for _, list := range [][]node{n.Body, n.Items, n.Inlines, n.Facts, n.Actions} {
		for _, below := range list {
			below.walk(visit)
		}
	}
	if n.SelectAction != nil {
		n.SelectAction.walk(visit)
	}
}

var (
	ours     = regexp.MustCompile(`^\[(.*)\]\((https?://[!-'*-Z^-~\\]+)\)$`)
	unmarked = regexp.MustCompile("^(\\\\[!-/:-@[-`{-~]|[^\\\\*_`\\[\\]()<>~&!|])*$")
	shown    = regexp.MustCompile("\\\\([!-/:-@[-`{-~])")
)

// plain is Markdown of ours as it is shown; it fails the test where it has any mark but those of one link around it.
func plain(t testing.TB, markdown string) string {
	t.Helper()
	address := ""
	if link := ours.FindStringSubmatch(markdown); link != nil {
		markdown, address = link[1], " ("+link[2]+")"
	}
	assert.Regexp(t, unmarked, markdown)
	assert.NotRegexp(t, `^(\d+[.]|[-+#])`, markdown, "the beginning of a list or heading")
	return shown.ReplaceAllString(markdown, "$1") + address
}

// render is the card as text, a line for each paragraph.
func render(t testing.TB, n node) string {
	t.Helper()
	var out []string
	n.walk(func(n node) {
		switch n.Type {
		case "RichTextBlock":
			line := ""
			for _, r := range n.Inlines {
				if r.FontType == "Monospace" {
					line += "| "
				}
				line += r.Text
			}
			out = append(out, line)
		case "FactSet":
			for _, f := range n.Facts {
				out = append(out, plain(t, f.Title)+": "+plain(t, f.Value))
			}
		case "Action.OpenUrl":
			if n.Title != "" {
				out = append(out, "["+n.Title+"] "+n.URL)
			}
		case "TextBlock":
			t.Error("a TextBlock, whose text is Markdown")
		}
	})
	return strings.ReplaceAll(strings.Join(out, "\n"), "\u00A0", " ")
}
