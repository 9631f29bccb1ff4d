package render_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier/email"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/render"
)

// What hostile texts might make of a Markdown body: a link that does not say where it leads, a mention, another block.
var (
	namedLink    = regexp.MustCompile(`<a [^>]*href="https://evil\.example[^"]*"[^>]*>([^h<]|<)`)
	namedMrkdwn  = regexp.MustCompile(`<https://evil\.example[^>|]*\|[^h]`)
	slackMention = regexp.MustCompile(`<(!(channel|here|everyone|subteam)|[@#])`)
)

func TestHostileValuesInMarkdownBodies(t *testing.T) {
	t.Parallel()
	texts := append(notifiertest.HostileTexts(),
		"[Approve](https://evil.example)", "x](https://evil.example) [y", "(https://evil.example)", "`[a](https://evil.example)`", "```\n[a](https://evil.example)\n```\n<h1>big</h1>",
		"~~~\n[a](https://evil.example)", "\\[a](https://evil.example)", "![a](https://evil.example)", "a\n\n[a](https://evil.example)\n===\n", "&#91;a&#93;(https://evil.example)", "<https://evil.example> <!channel>")
	for _, around := range []string{
		"{{.Error}}", "**{{.Error}}**", "# {{.Error}}", "- {{.Error}}", "> {{.Error}}", "`{{.Error}}`", "```\n{{.Error}}\n```", "- a\n\n  ~~~\n  {{.Error}}\n  ~~~", "[x]{{.Error}}", "    {{.Error}}",
		"[{{.Error}}](https://good.example)", "[x](https://good.example/{{.Error}})", "\\{{.Error}}", "{{.Error}}{{.Error}}", "{{trunc 12 .Error}} {{.Error | upper}}",
	} {
		for _, text := range texts {
			d := data()
			d.Error = text
			m, err := render.Message(render.Content{Data: d, Template: render.Template{Body: around, Markdown: true}}, "d-1")
			require.NoError(t, err)
			html, err := email.HTML(m)
			require.NoError(t, err)
			require.NotRegexp(t, namedLink, html, "%.40q in %q", text, around)
			require.NotContains(t, html, "big</h", "%.40q in %q", text, around)
			shown, err := (&slack.Destination{Channel: "#a"}).Preview(m)
			require.NoError(t, err)
			mrkdwn := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(shown.Payload))
			require.NotRegexp(t, namedMrkdwn, mrkdwn, "%.40q in %q", text, around)
			require.NotRegexp(t, slackMention, mrkdwn, "%.40q in %q", text, around)
		}
	}
}
