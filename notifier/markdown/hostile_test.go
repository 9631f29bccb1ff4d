package markdown_test

import (
	"strings"
	"testing"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier/markdown"
)

func TestSpeed(t *testing.T) {
	const n = 10000
	for name, s := range map[string]string{
		"[": strings.Repeat("[", n), "![": strings.Repeat("![", n), "[]": strings.Repeat("[", n) + strings.Repeat("]", n),
		"[a](": strings.Repeat("[a](", n), "[](x": strings.Repeat("[", n) + "a" + strings.Repeat("](b)", n),
		"*a ": strings.Repeat("*a ", n), "*a_": strings.Repeat("*a_ ", n), "**": strings.Repeat("*", 2*n), "_a*": strings.Repeat("a**b", n) + strings.Repeat("c* ", n),
		">": strings.Repeat(">", n), "> >": strings.Repeat("> ", n) + "a", "> lines": strings.Repeat(strings.Repeat("> ", 100)+"a\n", 100),
		"- ": strings.Repeat("- ", n) + "a", "1. ": strings.Repeat("1. ", n) + "a", "list lines": nested(140), "`": ticks(190),
		"<": strings.Repeat("<", n), "<a": strings.Repeat("<a ", n), "<http:": strings.Repeat("<http:", n), "http": strings.Repeat("http://a.b ", n), "http2": strings.Repeat("http://", n), "www": strings.Repeat("www.", n), "@": strings.Repeat("a@", n), "a.": strings.Repeat("a.", n) + "@", "&": strings.Repeat("&amp", n), "\\": strings.Repeat("\\", 2*n),
		"refs": strings.Repeat("[a]: /x\n", n/2), "refs2": strings.Repeat("[a]:\n", n), "~": strings.Repeat("~~a ", n), "hash": strings.Repeat("# a\n", n), "tabs": strings.Repeat("\t", n), "setext": strings.Repeat("a\n", n) + "===",
		"(": "[a](" + strings.Repeat("(", n), "www)": "http://a.b/" + strings.Repeat(")", n), "```": strings.Repeat("```\n", n), "<!": strings.Repeat("<!--", n), "`u": strings.Repeat("`a", n),
	} {
		begun := time.Now()
		out, err := markdown.HTML(s)
		t.Logf("%8s %-12s %d → %d %v", time.Since(begun).Round(time.Millisecond), name, len(s), len(out), err)
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
