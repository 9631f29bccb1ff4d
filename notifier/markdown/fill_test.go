package markdown_test

import (
	stdhtml "html"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/notifier/markdown"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
)

// filled has the values in place of each %.
func filled(s string, values ...string) string {
	return markdown.Fill(strings.ReplaceAll(s, "%", markdown.Mark), values)
}

func TestFill(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text   string
		values []string
		want   string
	}{
		{"plain *text* `x`", nil, "plain *text* `x`"},
		{"**%** of %", []string{"train_model.v2", "ml"}, "**train_model.v2** of ml"},
		{"%", []string{"[Approve](https://evil.example)"}, `[Approve\](https://evil.example)`},
		{"[FAILED]%", []string{"(https://evil.example)"}, `[FAILED]\(https://evil.example)`},
		{"[%](https://good.example)", []string{"x](https://evil.example) [y"}, `[x\](https://evil.example) [y](https://good.example)`},
		{"%", []string{"*a* _b_ ~c~ `d` \\e \\* ![f](g) &lt; <https://h.example>"}, "\\*a\\* \\_b\\_ \\~c\\~ \\`d\\` \\e \\\\\\* \\![f\\](g) \\&lt; \\<https://h.example>"},
		{"%", []string{"# a\n- b\n\n1. c\n    d\n> e\n==="}, "\\# a\n\\- b\n\u00a0\n1\\. c\n\u00a0\u00a0\u00a0\u00a0d\n\\> e\n\\==="},
		{"%", []string{"see https://a.example/b_c*d_ and x_y"}, `see https://a.example/b_c\*d\_ and x_y`},
		{"%![x](y) %lt; %", []string{"a!", "&", `b\`}, `a\!![x](y) \&lt; b\\`},
		{`\%`, []string{"`x"}, "\\\\\\`x"},
		{"[a \\  \n%", []string{"](https://evil.example)"}, "[a \\  \n\\\\](https://evil.example)"},
		{"%", []string{"[a \\  \n](https://evil.example)"}, "[a \\\\  \n\\](https://evil.example)"},
		{"`%` and ``%``", []string{"a_b ` [x](y)", ""}, "`a_b ˋ [x] (y)` and `` ``"},
		{"```\n%\n```", []string{"a *b*\n  ``` [x](y)\n"}, "```\na *b*\n  ˋˋˋ [x](y)\n```"},
		{"- a\n\n  ~~~py\n  %\n  ~~~", []string{"b\n\n~~~\nc"}, "- a\n\n  ~~~py\n  b\n  \n  ˜˜˜\n  c\n  ~~~"},
		{"> ```\n> %\n> ```", []string{"*a*\nb"}, "> ```\n> *a*\n> b\n> ```"},
		{"    %", []string{"*a*"}, `    \*a\*`},
		{"[x](https://good.example/%?y=%)", []string{"a b)[c](d", "e&f"}, "[x](https://good.example/a%20b%29%5Bc%5D%28d?y=e&f)"},
		{"https://good.example/% %", []string{"a_b c", "a_ c"}, `https://good.example/a_b%20c a\_ c`},
		{"<https://good.example/%>", []string{"a> [b](c)"}, "<https://good.example/a%3E%20%5Bb%5D%28c%29>"},
		{"a\ufdd1%\x1b] b", []string{"x\x1b]0;y\ufdd0"}, "a\ufdd1x] b"},
		// What the values make of the author's own marks turns text into code, and code into text.
		{"%```\nfoo\n```\n%\n```", []string{"", "[x](https://evil.example)"}, "```\nfoo\n```\n[x\\](https://evil.example)\n```"},
		{"%. x\n   ```\n   %\n   ```", []string{"1", "a\n[x](https://evil.example)"}, "1. x\n   ```\n   a\n   [x](https://evil.example)\n   ```"},
		{"```\na\n```%\n%\n```", []string{"", "[x](https://evil.example)"}, "```\na\n```\n[x\\](https://evil.example)\n```"},
		{"```\n%%\n% [x](y)\n```", []string{"``", "`", "[x](https://evil.example)"}, "```\n\\`\\`\\`\n[x\\](https://evil.example) [x](y)\n```"},
	} {
		require.Equal(t, tc.want, filled(tc.text, tc.values...), "%q", tc.text)
	}
}

// What is not code is shown as it is, whatever it holds.
func TestAValueIsShownAsItIs(t *testing.T) {
	t.Parallel()
	tag := regexp.MustCompile(`</?[a-z][^>]*>`)
	rapid.Check(t, func(t *rapid.T) {
		value := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces()), 1, 12).Draw(t, "value"), "")
		around := rapid.SampledFrom([]string{"%s", "a %s b", "- %s", "> %s", "1. %s", "a\n%s\nb"}).Draw(t, "around")
		before, after, _ := strings.Cut(around, "%s")
		out, err := markdown.HTML(filled(before+"%"+after, value))
		require.NoError(t, err)
		shown := stdhtml.UnescapeString(tag.ReplaceAllString(out, ""))
		want := strings.Trim(before, "->1. ") + value + after
		require.Equal(t, squeezed(want), squeezed(shown), "%q in %q: %s", value, around, out)
	})
}

func squeezed(s string) string { return strings.Join(strings.Fields(s), "") }

// pieces are what values and texts are made of.
func pieces() []string {
	return []string{
		"[", "]", "(", ")", "![", "](", "[x](https://evil.example)", "<https://evil.example>", "https://evil.example/a_b", "`", "``", "```", "~~~", "~",
		"*", "**", "_", "__", "\\", "\n", "\n\n", " ", "  ", "    ", "\t", "#", "- ", "+ ", "> ", "1.", "1. ", ")", "=", "---", "!", "&", "&lt;", "&#91;", "a", "b c", "é", "|", "<", ">", ";", "\"",
	}
}

var anchors = regexp.MustCompile(`<a href="([^"]*)"[^>]*>((?s).*?)</a>`)

// No value makes a link of other words than its own address, wherever the author put it and wherever the text is cut.
func TestNoValueMakesALink(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		own := append(pieces(), "%", "%", "%", "%", "\n```\n", "\n~~~\n", "`%`", "[%](https://good.example/%)", "https://good.example/%", "[x]")
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom(own), 1, 16).Draw(t, "text"), "")
		s = strings.ReplaceAll(s, "evil", "good")
		var values []string
		for range strings.Count(s, "%") {
			values = append(values, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces()), 0, 8).Draw(t, "value"), ""))
		}
		text := filled(s, values...)
		for _, shown := range []string{text, text[:rapid.IntRange(0, len(text)).Draw(t, "cut")]} {
			out, err := markdown.HTML(shown)
			require.NoError(t, err)
			for _, found := range anchors.FindAllStringSubmatch(out, -1) {
				if strings.Contains(found[1], "evil.example") && !strings.Contains(found[1], "good.example") {
					require.Regexp(t, "^https?://evil.example", found[2], "%q with %q is %q", s, values, shown)
				}
			}
		}
	})
}

func TestFillWithHostileTexts(t *testing.T) {
	t.Parallel()
	for _, value := range notifiertest.HostileTexts() {
		for _, around := range []string{"%", "**%**", "[%](https://example.org)", "[x](%)", "[x](https://example.org/%)", "`%`", "```\n%\n```", "<%>", "# %", "- %", "> %"} {
			s := filled(around, value)
			require.LessOrEqual(t, len(s), markdown.MaxLength)
			check(t, s)
		}
	}
}
