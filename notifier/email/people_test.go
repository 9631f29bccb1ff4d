package email_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]email.Address{
		"ada@example.org":                  {Addr: "ada@example.org"},
		" Ada L. <Ada+x@EXAMPLE.org> ":     {Name: "Ada L.", Addr: "Ada+x@example.org"},
		`"eve@evil.net" <ada@example.org>`: {Name: "eve@evil.net", Addr: "ada@example.org"},
		"=?utf-8?q?=C3=84da?= <a@b.c>":     {Name: "Äda", Addr: "a@b.c"},
	} {
		a, err := email.ParseAddress(text)
		require.NoError(t, err, text)
		require.Equal(t, want, a)
		require.Equal(t, want.Addr, email.Bare(text))
	}
	require.Equal(t, "example.org", email.Address{Addr: "ada@example.org"}.Domain())
	require.Equal(t, "{{.User}}", email.Bare(" {{.User}}"))
}

// TestTrickyAddresses shows that no way of writing an address hides another one from allow lists.
func TestTrickyAddresses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		`"evil@evil.org, x"@example.org`, `"a b"@example.org`, `"a,b"@example.org`, `a@[127.0.0.1]`, `a@example.org (comment) b@evil.org`, `<a@example.org> <b@evil.org>`,
		`group: a@evil.org;`, "a@exa\u202emple.org", "a@evil.org\x00@example.org", `a@evil.org@example.org`, `@evil.org:a@example.org`, `a\@evil.org@example.org`, "",
		"a@example.org\r\nBcc: b@evil.org", "ada%evil.net@example.org", "evil.net!ada@example.org", "a@", "@b", "a", strings.Repeat("a", 400) + "@example.org",
	} {
		_, err := email.ParseAddress(s)
		require.ErrorContains(t, err, "must be a mail address", "%q", s)
		require.Len(t, email.People{To: []string{s}}.Validate(10), 1, "%q", s)
	}
}

func TestEachIsReachedOnce(t *testing.T) {
	t.Parallel()
	p := email.People{To: []string{"Ada <ada@Example.org>", "bob@example.org", "ADA@example.org"}, Cc: []string{"bob@example.org", "c@example.org"}, Bcc: []string{"c@example.org", "d@example.org"}, ReplyTo: "ada@example.org"}
	r, err := p.Parse()
	require.NoError(t, err)
	require.Equal(t, email.Recipients{
		To: []email.Address{{Name: "Ada", Addr: "ada@example.org"}, {Addr: "bob@example.org"}}, Cc: []email.Address{{Addr: "c@example.org"}},
		Bcc: []email.Address{{Addr: "d@example.org"}}, ReplyTo: &email.Address{Addr: "ada@example.org"},
	}, r)
	_, err = email.People{To: []string{"a@b.c"}, Bcc: []string{"{{.User}}"}}.Parse()
	require.ErrorContains(t, err, "bcc[0]: must be a mail address")
	_, err = email.People{ReplyTo: "x"}.Parse()
	require.ErrorContains(t, err, "reply_to: must be")
}

func TestHeadersAgainstLoops(t *testing.T) {
	t.Parallel()
	loops := []email.Header{{Name: "Auto-Submitted", Value: "auto-generated"}, {Name: "X-Auto-Response-Suppress", Value: "All"}}
	require.Equal(t, loops, email.Headers(""))
	require.Equal(t, append(loops, email.Header{Name: "List-Unsubscribe", Value: "<mailto:x@y.z>"}), email.Headers("mailto:x@y.z"))
}

func TestCheckUnsubscribe(t *testing.T) {
	t.Parallel()
	for _, fine := range []string{"https://example.org/leave?list=flyte", "mailto:leave@example.org", "mailto:leave@example.org?subject=leave"} {
		require.Empty(t, email.CheckUnsubscribe(fine))
	}
	for _, wrong := range []string{"", "http://example.org", "https://", "mailto:", "mailto:x", "javascript:x", "https://u:p@example.org", "https://example.org/>,<mailto:x@y.z", "https://example.org/\r\nBcc: x", "https://example.org/ä", "https://example.org/" + strings.Repeat("x", 500)} {
		require.NotEmpty(t, email.CheckUnsubscribe(wrong), wrong)
	}
}

func TestMarkdownBodies(t *testing.T) {
	t.Parallel()
	for _, hostile := range notifiertest.HostileTexts() {
		html, err := email.HTML(notifier.Message{Title: "t", Markdown: true, Body: "# x\n" + hostile + "\n- [y](javascript:alert(1)) **z**\n</td></table>"})
		require.NoError(t, err)
		require.Less(t, len(html), 400<<10)
		lower := strings.ToLower(html)
		for _, never := range []string{"<script", "<img", "javascript:alert(1)\"", "onerror=\""} {
			require.NotContains(t, lower, never, "%.40q", hostile)
		}
		require.Equal(t, strings.Count(html, "<table"), strings.Count(html, "</table>"))
		require.Equal(t, notifier.Printable(html), html)
	}
	text := email.Text(notifier.Message{Title: "t", Markdown: true, Body: "**as it is**"})
	require.Contains(t, text, "**as it is**")
}

func TestWholeErrorIsCut(t *testing.T) {
	t.Parallel()
	whole, long := email.WholeError(notifier.Message{Error: "x…", Vars: map[string]any{"Error": strings.Repeat("ä", 1<<20)}})
	require.True(t, long)
	require.Less(t, len(whole), 1<<20+100)
	require.Contains(t, whole, "… cut after 1048576 bytes\n")
}

func TestURLsInBodiesAreLinks(t *testing.T) {
	t.Parallel()
	html, err := email.HTML(notifier.Message{Body: "See https://example.org/a?b=c&d, or\nhttps://u:p@example.org. <https://x.y/z>\njavascript:alert(1)"})
	require.NoError(t, err)
	require.Contains(t, html, `See <a class="link" href="https://example.org/a?b=c&amp;d" style="color:#175cd3;text-decoration:underline;">https://example.org/a?b=c&amp;d</a>, or<br>`)
	require.Contains(t, html, `<br>https://u:p@example.org. &lt;<a class="link" href="https://x.y/z"`)
	require.Equal(t, 2, strings.Count(html, "href="))

	long := "https://flyte.example.org/console/projects/flytesnacks/domains/production/executions/f8d3a1c97b2e4d06a5f1"
	html, err = email.HTML(notifier.Message{Body: "x\n" + long})
	require.NoError(t, err)
	require.Contains(t, html, `href="`+long+`"`)
	require.Contains(t, html, ">https://flyte.example.org/…/executions/f8d3a1c97b2e4d06a5f1</a>")

	html, err = email.HTML(notifier.Message{Body: strings.Repeat("https://a.b\n", 500)})
	require.NoError(t, err)
	require.Equal(t, 100, strings.Count(html, "href="))
	require.GreaterOrEqual(t, strings.Count(html, ">https://a.b"), 500)
}
