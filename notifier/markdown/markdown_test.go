package markdown_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/markdown"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
)

func html(t testing.TB, s string) string {
	t.Helper()
	out, err := markdown.HTML(s)
	require.NoError(t, err)
	return strings.TrimSpace(out)
}

func TestHTML(t *testing.T) {
	t.Parallel()
	const rel = ` rel="nofollow noreferrer"`
	for text, want := range map[string]string{
		"":                                 "",
		"a *b* **c** ~~d~~ `e<`":           "<p>a <em>b</em> <strong>c</strong> <del>d</del> <code>e&lt;</code></p>",
		"two\nlines\n\nand more":           "<p>two<br>\nlines</p>\n<p>and more</p>",
		"# h\n- a\n- b\n\n3. c":            "<h1>h</h1>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n<ol start=\"3\">\n<li>c</li>\n</ol>",
		"> q\n\n---":                       "<blockquote>\n<p>q</p>\n</blockquote>\n<hr>",
		"```python\nif a < b:\n  <b>\n```": "<pre><code>if a &lt; b:\n  &lt;b&gt;\n</code></pre>",
		"[runbook](https://wiki.example.org/a?b=c&d)": `<p><a href="https://wiki.example.org/a?b=c&amp;d"` + rel + `>runbook</a></p>`,
		"see https://example.org/x.":                  `<p>see <a href="https://example.org/x"` + rel + `>https://example.org/x</a>.</p>`,
		"[mail](mailto:ada@example.org)":              `<p><a href="mailto:ada@example.org"` + rel + `>mail</a></p>`,
		"<script>alert(1)</script>":                   "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
		"<img src=x onerror=alert(1)>":                "<p>&lt;img src=x onerror=alert(1)&gt;</p>",
		"![a cat](https://evil.example.org/x)":        "<p>a cat</p>",
		"[x](javascript:alert(1))":                    "<p>x</p>",
		"[x](JaVaScRiPt&#58;alert(1))":                "<p>x</p>",
		"[x](data:text/html,hi)":                      "<p>x</p>",
		"[x](//evil.example.org)":                     "<p>x</p>",
		"[x](/local)":                                 "<p>x</p>",
		"[x](https://user:pass@example.org)":          "<p>x</p>",
		"[x](https://:80/)":                           "<p>x</p>",
		"[x](mailto:a@b.c?bcc=d@e.f)":                 "<p>x</p>",
		"<javascript:alert(1)>":                       "<p>javascript:alert(1)</p>",
		"[a]: https://example.org \"shown\"":          `<p>[a]: <a href="https://example.org"` + rel + `>https://example.org</a> &#34;shown&#34;</p>`,
		"&lt;b&gt; &#8238;x &#27;[31m":                "<p>&lt;b&gt; x [31m</p>",
		"first &#27;] second\n\nthird":                "<p>first ] second</p>\n<p>third</p>",
		"a&#155;31m *b* &#27;":                        "<p>a31m <em>b</em> </p>",
		"[x&#27;](https://example.org) y":             `<p><a href="https://example.org"` + rel + `>x</a> y</p>`,
		"@here <!channel>":                            "<p>@here &lt;!channel&gt;</p>",
	} {
		require.Equal(t, want, html(t, text), "%q", text)
	}
}

// elements are all that there may be, as they are written.
var element = regexp.MustCompile(`</?[^>]*>`)

var allowed = regexp.MustCompile(`^(</?(p|strong|em|del|code|pre|ul|ol|li|blockquote|h[1-6])>|<br/?>|<hr/?>|<ol start="\d+">|</a>|` +
	`<a href="(https?://[^"<>]+|mailto:[^"<>]+)" rel="nofollow noreferrer">)$`)

func check(t testing.TB, s string) {
	t.Helper()
	out := html(t, s)
	for _, e := range element.FindAllString(out, -1) {
		require.Regexp(t, allowed, e, "%.60q", s)
	}
	require.NotContains(t, element.ReplaceAllString(out, ""), "<")
	require.Equal(t, notifier.Printable(out), out)
	require.Empty(t, open(out), "%.60q", s)
}

// open are the elements that are not closed, or not in order.
func open(out string) (all []string) {
	for _, e := range element.FindAllString(out, -1) {
		name := strings.Trim(strings.Fields(strings.Trim(e, "<>"))[0], "/")
		switch last := len(all) - 1; {
		case name == "br" || name == "hr":
		case !strings.HasPrefix(e, "</"):
			all = append(all, name)
		case last >= 0 && all[last] == name:
			all = all[:last]
		default:
			return append(all, e)
		}
	}
	return all
}

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for _, text := range notifiertest.HostileTexts() {
		for _, around := range []string{"%s", "**%s**", "[%s](https://example.org)", "[x](%s)", "[x](https://example.org/%s)", "![%s](x)", "`%s`", "```\n%s\n```", "<%s>", "# %s", "- %s", "> %s", "&%s;", "<https://a.b/%s>", "&#27;%s", "[&#155;%s](https://example.org)"} {
			check(t, strings.ReplaceAll(around, "%s", text))
		}
	}
}

func FuzzHTML(f *testing.F) {
	for _, seed := range []string{"*a* [b](https://c.d)", "<a href=x>", "```\n<b>\n```", "- a\n  - b\n\n1. c", "&#60;script&#62;", "![x](y)", "~~a~~ http://b.c", "[a](<javascript:x>)", "# <h1>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) { check(t, s) })
}

// TestNothingTakesLong gives the parser what it, or others, took long for. Each is seconds without a bound.
func TestNothingTakesLong(t *testing.T) {
	t.Parallel()
	const n = 10_000
	for name, s := range map[string]string{
		"brackets": strings.Repeat("[", n), "pairs": strings.Repeat("[", n) + strings.Repeat("]", n), "images": strings.Repeat("![", n),
		"links": strings.Repeat("[a](", n), "links in links": strings.Repeat("[", n) + "a" + strings.Repeat("](b)", n), "parentheses": "[a](" + strings.Repeat("(", n),
		"some links": strings.Repeat("[a](", 1000), "emphasis": strings.Repeat("*a_ ", n), "some emphasis": strings.Repeat("*a_ ", 2000),
		"stars": strings.Repeat("a**b", n) + strings.Repeat("c* ", n), "strikes": strings.Repeat("~~a ", n), "quotes": strings.Repeat(">", n),
		"spaced quotes": strings.Repeat("> ", n) + "a", "lists": strings.Repeat("- ", n) + "a", "numbers": strings.Repeat("1. ", n) + "a",
		"forty quotes": strings.Repeat(strings.Repeat("> ", 40)+"a\n", 700), "nested lists": nested(140), "ticks": ticks(190), "tags": strings.Repeat("<a ", n),
		"addresses": strings.Repeat("http://", 9000), "entities": strings.Repeat("&amp", n), "definitions": strings.Repeat("[a]:\n", n), "headings": strings.Repeat("# a\n", n),
		"fences": strings.Repeat("```\n", n), "underlined": strings.Repeat("a\n", n) + "===", "backslashes": strings.Repeat("\\", 2*n), "large": strings.Repeat("a *b* c\n", 1<<20),
	} {
		begun := time.Now()
		out := html(t, s)
		require.Less(t, time.Since(begun), 20*time.Second, name) // on a loaded machine; it is a tenth of a second
		require.LessOrEqual(t, strings.Count(out, "<blockquote>"), 40*700, name)
	}
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat("  ", i) + "- a\n")
	}
	return b.String()
}

func ticks(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("e" + strings.Repeat("`", i))
	}
	return b.String()
}

func TestWhatIsNotReadIsShownAsItIs(t *testing.T) {
	t.Parallel()
	for _, s := range []string{nested(60) + "**b** <i>", strings.Repeat("[", 1001) + "**b** <i>", strings.Repeat("a", markdown.MaxLength) + "**b** <i>"} {
		root, _ := markdown.Parse(s)
		require.Nil(t, root)
		require.Contains(t, html(t, s), "**b** &lt;i&gt;")
	}
}
