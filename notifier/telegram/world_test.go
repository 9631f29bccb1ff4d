package telegram_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/telegram"
)

const (
	token = "123456789:AAExample-Token_0123456789abcdefghi"
	group = "-1001234567890"
)

// secret writes a value where a config can refer to it.
func secret(t testing.TB, value string) notifier.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(value+"\n"), 0o600))
	return notifier.Secret{File: file}
}

func open(t testing.TB, url string, client *http.Client) *telegram.Notifier {
	t.Helper()
	n, err := telegram.New(telegram.Config{Token: secret(t, token), APIURL: exchange.BaseURL(url)}, client)
	require.NoError(t, err)
	return n
}

// serve returns a notifier whose service is h.
func serve(t testing.TB, h http.Handler) *telegram.Notifier {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return open(t, server.URL, server.Client())
}

// sent is the body of a request.
type sent struct {
	ChatID    string `json:"chat_id"`
	ThreadID  int64  `json:"message_thread_id"`
	MessageID int64  `json:"message_id"`
	Text      string `json:"text"`
	ParseMode string `json:"parse_mode"`
	Silent    bool   `json:"disable_notification"`
	Previews  struct {
		Disabled bool `json:"is_disabled"`
	} `json:"link_preview_options"`
}

// botAPI is a Bot API with one bot, which is a member of one group, also named @ml_alerts. It keeps the messages; an
// edit replaces one.
type botAPI struct {
	mu       sync.Mutex
	messages []sent
}

func (a *botAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	method, mine := strings.CutPrefix(r.URL.Path, "/bot"+token+"/")
	var s sent
	switch {
	case !mine:
		refuse(w, 401, "Unauthorized")
		return
	case json.NewDecoder(r.Body).Decode(&s) != nil:
		refuse(w, 400, "Bad Request: can't parse JSON object")
		return
	case method == "getMe":
		accept(w, map[string]any{"id": 123456789, "is_bot": true})
		return
	case s.ChatID != group && s.ChatID != "@ml_alerts":
		refuse(w, 400, "Bad Request: chat not found")
		return
	}
	plain, err := parse(s.Text)
	switch {
	case err != "":
		refuse(w, 400, "Bad Request: can't parse entities: "+err)
	case plain == "":
		refuse(w, 400, "Bad Request: message text is empty")
	case len(utf16.Encode([]rune(plain))) > 4096:
		refuse(w, 400, "Bad Request: message is too long")
	case method == "editMessageText" && (s.MessageID < 1 || s.MessageID > int64(len(a.messages))):
		refuse(w, 400, "Bad Request: message to edit not found")
	case method == "editMessageText" && a.messages[s.MessageID-1].Text == s.Text:
		refuse(w, 400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same")
	case method == "editMessageText":
		a.messages[s.MessageID-1] = s
		accept(w, map[string]any{"message_id": s.MessageID, "chat": map[string]any{"id": json.Number(group)}})
	default:
		a.messages = append(a.messages, s)
		accept(w, map[string]any{"message_id": len(a.messages), "chat": map[string]any{"id": json.Number(group)}})
	}
}

func accept(w http.ResponseWriter, result any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"ok": true, "result": result}) // the client went away
}

func refuse(w http.ResponseWriter, status int, description string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"ok": false, "error_code": status, "description": description}) // the client went away
}

var (
	tag    = regexp.MustCompile(`<(/?)(b|i|pre|a)( href="([^"<>]*)")?>`)
	entity = regexp.MustCompile(`&(amp|lt|gt|quot);`)
)

// parse reads Telegram's HTML as far as we use it: tags that match, the four entities, and nothing else of markup.
func parse(text string) (plain, problem string) {
	rest := 0
	var open []string
	read := func(s string) {
		if strings.ContainsAny(s, "<>") || strings.Contains(entity.ReplaceAllString(s, ""), "&") {
			problem = "unescaped text"
		}
		plain += html.UnescapeString(s)
	}
	for _, at := range tag.FindAllStringSubmatchIndex(text, -1) {
		read(text[rest:at[0]])
		rest = at[1]
		name := text[at[4]:at[5]]
		switch {
		case at[2] == at[3]:
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			return plain, "unmatched end tag"
		default:
			open = open[:len(open)-1]
		}
	}
	read(text[rest:])
	if len(open) > 0 {
		return plain, "unclosed start tag"
	}
	return strings.TrimSpace(plain), problem
}

var (
	boxed   = regexp.MustCompile(`(?s)<pre>.*?</pre>|<a .*?</a>`)
	href    = regexp.MustCompile(`href="([^"]*)"`)
	calling = regexp.MustCompile(`(^|[^\pL\pN_])[@#$][\pL\pN_]|(^|[^\pL\pN_/<>])/[A-Za-z0-9_]`)
)

// harmless fails the test where a text calls somebody, or leads anywhere but to the web.
func harmless(t testing.TB, text string) {
	t.Helper()
	plain, problem := parse(boxed.ReplaceAllString(text, " - "))
	assert.Empty(t, problem)
	assert.NotRegexp(t, calling, plain)
	for _, found := range href.FindAllStringSubmatch(text, -1) {
		assert.Regexp(t, `^https?://[!-~]+$`, found[1])
	}
	assert.Equal(t, notifier.Printable(text), text)
}

// shown is what people read.
func shown(t testing.TB, text string) string {
	t.Helper()
	plain, problem := parse(text)
	assert.Empty(t, problem)
	return strings.ReplaceAll(plain, "\u2060", "")
}
