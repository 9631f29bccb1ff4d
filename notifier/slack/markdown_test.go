package slack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

// sections are the texts of a message's sections.
func sections(t *testing.T, m notifier.Message) []string {
	t.Helper()
	p, err := (&slack.Destination{Channel: "#x"}).Preview(m)
	require.NoError(t, err)
	var posted struct {
		Blocks []struct {
			Type string
			Text struct{ Text string }
		}
	}
	require.NoError(t, json.Unmarshal(p.Payload, &posted))
	var all []string
	for _, b := range posted.Blocks {
		if b.Type == "section" {
			all = append(all, b.Text.Text)
		}
	}
	return all
}

func TestMarkdownIsMrkdwn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a *b* **c** ~~d~~ `e<f`":                          "a _b_ *c* ~d~ `e&lt;f`",
		"# A **b**\n\ntext\nmore":                          "*A b*\n\ntext\nmore",
		"# a\\*b [log](https://example.org/a*b) *c **d***": "*a*b <https://example.org/a*b|log> _c d_*",
		"**a [b](https://example.org/*) c**":               "*a <https://example.org/*|b> c*",
		"- a\n- b\n  - c\n\n2. x\n3. y":                    "• a\n• b\n    • c\n\n2. x\n3. y",
		"```sh\na && b <c>\n```":                           "```\na &amp;&amp; b &lt;c&gt;\n```",
		"> q\n> r":                                         "&gt; q\n&gt; r",
		"[run](https://example.org/?a=b&c=d)":              "<https://example.org/?a=b&amp;c=d|run>",
		"https://example.org/x.":                           "<https://example.org/x|https://example.org/x>.",
		"[us](mailto:a@b.c) a@b.c":                         "us (a@b.c) a@b.c",
		"![cat](https://example.org/x)":                    "cat",
		"[x](javascript:alert(1)) <b>":                     "x &lt;b&gt;",
		"<!channel> &lt;!here&gt; <@U123> @x":              "&lt;!channel&gt; &lt;!here&gt; &lt;@U123&gt; @x",
		"[<!channel>|x](https://example.org)":              "<https://example.org|&lt;!channel&gt;¦x>",
		"[x](https://example.org/>|<!channel)":             "<https://example.org/%3E%7C%3C%21channel|x>",
		"`a``` b` and ``c`d``":                             "`aˋˋˋ b` and `cˋd`",
	} {
		got := sections(t, notifier.Message{Title: "t", Body: text, Markdown: true})
		require.Equal(t, []string{want}, got, "%q", text)
	}
}

func TestLongMarkdownIsShownAsItIs(t *testing.T) {
	t.Parallel()
	got := sections(t, notifier.Message{Title: "t", Body: "**b**\n\n" + strings.Repeat("long ", 1000), Markdown: true})
	require.Contains(t, got[0], "**b**")
	got = sections(t, notifier.Message{Title: "t", Body: strings.Repeat("**b** "+strings.Repeat("x", 1000)+"\n\n", 4), Markdown: true})
	require.Len(t, got, 2)
	require.Equal(t, 4, strings.Count(strings.Join(got, ""), "*b* x"))
	require.NotContains(t, strings.Join(got, ""), "**")
}

func TestHostileMarkdownMentionsNobody(t *testing.T) {
	t.Parallel()
	for _, hostile := range notifiertest.HostileTexts() {
		hostile = hostile[:min(len(hostile), 5000)]
		for _, around := range []string{"%s", "**%s**", "[%s](https://example.org)", "[x](https://example.org/%s)", "`%s`", "```\n%s\n```", "<%s>", "> %s", "- %s"} {
			for _, text := range sections(t, notifier.Message{Title: "t", Body: strings.ReplaceAll(around, "%s", hostile), Markdown: true}) {
				require.LessOrEqual(t, len([]rune(text)), 3000)
				for rest := text; strings.Contains(rest, "<"); {
					_, after, _ := strings.Cut(rest, "<")
					require.True(t, strings.HasPrefix(after, "http"), "%.60q: %.60q", hostile, after)
					rest = after
				}
			}
		}
	}
}
