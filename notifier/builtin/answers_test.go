package builtin_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

// service is one whose page has a table of what its answers come to.
type service struct {
	kind   string
	as     []string // whose rows of the page hold beside those of all, and before them: "of a chat"
	config func(secret func(string) any, url string) map[string]any
	to     map[string]any           // a destination
	says   func(code string) string // an answer's body that holds a code; nil: its page names none
}

var services = []service{
	{
		kind: "pagerduty",
		config: func(secret func(string) any, url string) map[string]any {
			return map[string]any{"routing_key": secret("0123456789abcdef0123456789abcdef"), "api_url": url}
		},
	},
	{
		kind: "sendgrid", to: map[string]any{"to": []any{"ada@example.org"}},
		config: func(secret func(string) any, url string) map[string]any {
			return map[string]any{"api_key": secret("SG.x"), "from": "flyte@example.org", "host": url}
		},
		says: func(code string) string { return fmt.Sprintf(`{"errors": [{"message": %q}]}`, code) },
	},
	{
		kind: "slack", to: map[string]any{"channel": "C0123456789"},
		config: func(secret func(string) any, url string) map[string]any {
			return map[string]any{"token": secret("xoxb-1"), "api_url": url}
		},
		says: func(code string) string { return fmt.Sprintf(`{"ok": false, "error": %q}`, code) },
	},
	{
		kind: "slack_webhook",
		config: func(secret func(string) any, url string) map[string]any {
			return map[string]any{"url": secret(url + "/services/T0/B0/0123456789abcdef01234567")}
		},
		says: func(code string) string { return code },
	},
	{
		kind: "teams",
		config: func(secret func(string) any, url string) map[string]any {
			return map[string]any{"url": secret(url + "/workflows/0123456789abcdef?sig=0123456789abcdef")}
		},
		says: func(code string) string { return fmt.Sprintf(`{"error": {"code": %q}}`, code) },
	},
	{
		kind: "telegram", to: map[string]any{"chat_id": "@ml_alerts"},
		config: func(secret func(string) any, url string) map[string]any {
			return map[string]any{"token": secret("1:a"), "api_url": url}
		},
		says: func(code string) string { return fmt.Sprintf(`{"ok": false, "description": %q}`, code) },
	},
	webhook("json"),
	webhook("mattermost", "of a chat"),
	{
		kind: "webhook", as: []string{"of a chat", "of Discord"}, config: webhook("discord").config,
		says: func(code string) string { return fmt.Sprintf(`{"message": "no", "code": %s}`, code) },
	},
	webhook("google-chat", "of a chat"),
	webhook("ntfy", "of a chat"),
}

func webhook(format string, as ...string) service {
	return service{kind: "webhook", as: as, config: func(secret func(string) any, url string) map[string]any {
		return map[string]any{"url": secret(url + "/topic"), "format": format}
	}}
}

// TestPagesSayWhatAnswersComeTo lets each service answer with every status, and with every code that its page names:
// the verdict is the page's.
func TestPagesSayWhatAnswersComeTo(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{"smtp": true, "stdout": true} // the one has a test of its own, the other no answers
	for _, s := range services {
		tried[s.kind] = true
	}
	for _, m := range builtin.Registry(nil).All() {
		require.True(t, tried[m.Kind], "%s is not tried", m.Kind)
	}
	for _, s := range services {
		t.Run(strings.Join(append([]string{s.kind}, s.as...), " "), func(t *testing.T) {
			t.Parallel()
			var next atomic.Pointer[answer]
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				a := next.Load()
				w.WriteHeader(a.status)
				_, _ = io.WriteString(w, a.body) // some statuses have none
			}))
			t.Cleanup(server.Close)
			send := s.open(t, server)
			page := documented(t, s.kind, s.as)
			for status := 200; status < 600; status++ {
				want, ok := page.verdict(status)
				require.True(t, ok, "the page says nothing of %d", status)
				next.Store(&answer{status, "<html>a proxy's</html>"})
				require.Equal(t, want, send(), "%d", status)
			}
			require.Equal(t, s.says != nil, len(page.coded) > 0)
			for _, a := range page.coded {
				next.Store(&answer{a.status, s.says(a.code)})
				require.Equal(t, a.verdict, send(), "%d %s", a.status, a.code)
			}
		})
	}
}

type answer struct {
	status int
	body   string
}

// open returns what sends through the service, and says what that came to.
func (s service) open(t *testing.T, server *httptest.Server) func() notifier.Verdict {
	t.Helper()
	secret := func(value string) any {
		file := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(file, []byte(value), 0o600))
		return map[string]any{"file": file}
	}
	m, ok := builtin.Registry(nil).Find(s.kind)
	require.True(t, ok)
	config, to := m.Config(), m.Destination()
	require.Empty(t, strict.Decode(s.config(secret, server.URL), config))
	require.Empty(t, strict.Decode(s.to, to))
	n, err := m.New(config, notifier.Deps{HTTP: server.Client(), Guarded: server.Client()})
	require.NoError(t, err)
	return func() notifier.Verdict {
		_, err := n.Send(t.Context(), to, notifier.Message{Title: "a", Key: "k"})
		verdict, _ := notifier.VerdictOf(err)
		return verdict
	}
}

// answers is the table "Answers" of a page.
type answers struct {
	plain   map[int]notifier.Verdict // by status
	classes map[int]notifier.Verdict // of the other statuses, by their first digit
	coded   []coded
}

type coded struct {
	status  int
	code    string
	verdict notifier.Verdict
}

func (a answers) verdict(status int) (notifier.Verdict, bool) {
	if v, ok := a.plain[status]; ok {
		return v, true
	}
	v, ok := a.classes[status/100]
	return v, ok
}

var (
	row     = regexp.MustCompile(`(?m)^\| (.+?) \| (delivered|retried|permanent|unknown)\b`)
	aside   = regexp.MustCompile(` \([^)]*\)| with anything else`)
	between = regexp.MustCompile(`, | and `)
	quoted  = regexp.MustCompile("`([^`]+)`")
	status  = regexp.MustCompile(`\b[2-5]\d\d\b`)
	class   = regexp.MustCompile(`\b([2-5])xx\b`)
)

// documented reads the table of a kind's page: "403, other 4xx", "400 `code`, `code`". A code's status is the one before
// it in its row, or 200. What is told of in words alone is left out: edits, and answers "with" something else. A row
// "of a chat: 503" holds for those alone who are asked for, and goes before the others.
func documented(t *testing.T, kind string, as []string) answers {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../docs/notifiers", kind+".md"))
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(raw), "## Answers\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n## ")
	a := answers{plain: map[int]notifier.Verdict{}, classes: map[int]notifier.Verdict{}}
	rows := row.FindAllStringSubmatch(table, -1)
	for _, own := range append([]string{""}, as...) {
		for _, found := range rows {
			a.row(found, own)
		}
	}
	return a
}

// row reads a row if it is that of those who are asked for.
func (a *answers) row(found []string, own string) {
	verdict := map[string]notifier.Verdict{
		"delivered": notifier.Delivered, "retried": notifier.Retry, "permanent": notifier.Permanent, "unknown": notifier.Unknown,
	}[found[2]]
	cell := aside.ReplaceAllString(found[1], "")
	if of, rest, ok := strings.Cut(cell, ": "); ok && of == own {
		cell = rest
	} else if own != "" || strings.HasPrefix(cell, "of ") {
		return
	}
	last := http.StatusOK
	for _, part := range between.Split(cell, -1) {
		last = a.read(part, last, verdict)
	}
}

// read reads a part of a row, and returns the status that the next code has.
func (a *answers) read(part string, last int, verdict notifier.Verdict) int {
	codes := quoted.FindAllStringSubmatch(part, -1)
	part = quoted.ReplaceAllString(part, "")
	if strings.Contains(part, " with ") {
		return last
	}
	if found := class.FindStringSubmatch(part); found != nil {
		a.classes[int(found[1][0]-'0')] = verdict
	}
	if part == "redirects" {
		a.classes[3] = verdict
	}
	if found := status.FindString(part); found != "" {
		last, _ = strconv.Atoi(found) // it is three digits
		if len(codes) == 0 {
			a.plain[last] = verdict
		}
	}
	for _, code := range codes {
		a.coded = append(a.coded, coded{last, code[1], verdict})
	}
	return last
}
