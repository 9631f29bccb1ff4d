package email

import (
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/markdown"
)

// dress gives the elements that Markdown makes their looks, inline as mail clients want them. In text there is none of
// these: its < is &lt;.
var dress = strings.NewReplacer(
	"<p>", `<p style="margin:0 0 12px 0;">`,
	"<h1>", `<h2 class="body" style="margin:4px 0 8px 0;font-size:19px;line-height:26px;font-weight:600;">`, "</h1>", "</h2>",
	"<h2>", `<h3 class="body" style="margin:4px 0 8px 0;font-size:17px;line-height:24px;font-weight:600;">`, "</h2>", "</h3>",
	"<h3>", `<h4 class="body" style="margin:4px 0 6px 0;font-size:15px;line-height:23px;font-weight:600;">`, "</h3>", "</h4>",
	"<h4>", `<h5 class="body" style="margin:4px 0 6px 0;font-size:15px;line-height:23px;font-weight:600;">`, "</h4>", "</h5>",
	"<h5>", `<h6 class="body" style="margin:4px 0 6px 0;font-size:14px;line-height:22px;font-weight:600;">`, "</h5>", "</h6>",
	"<h6>", `<h6 class="body" style="margin:4px 0 6px 0;font-size:14px;line-height:22px;font-weight:600;">`,
	"<ul>", `<ul style="margin:0 0 12px 0;padding:0 0 0 24px;">`,
	"<ol>", `<ol style="margin:0 0 12px 0;padding:0 0 0 24px;">`,
	"<ol ", `<ol style="margin:0 0 12px 0;padding:0 0 0 24px;" `,
	"<li>", `<li style="margin:0 0 4px 0;">`,
	"<blockquote>", `<blockquote class="quote" style="margin:0 0 12px 0;padding:9px 0 1px 14px;border-left:3px solid #d0d5dd;color:#475467;">`,
	"<hr>", `<hr class="rule" style="margin:16px 0;border:0;border-top:1px solid #eaecf0;">`,
	"<hr/>", `<hr class="rule" style="margin:16px 0;border:0;border-top:1px solid #eaecf0;">`,
	"<pre><code>", `<pre class="block" style="margin:0 0 12px 0;padding:12px 14px;background:#f9fafb;border:1px solid #e4e7ec;border-radius:6px;color:#1d2939;font-family:`+monospace+`;font-size:12px;line-height:18px;white-space:pre-wrap;word-break:break-word;overflow-wrap:anywhere;">`,
	"</code></pre>", "</pre>",
	"<code>", `<code class="block" style="padding:1px 4px;background:#f2f4f7;border-radius:4px;font-family:`+monospace+`;font-size:13px;">`,
	"<a href=", `<a class="link" style="color:#175cd3;text-decoration:underline;" href=`,
)

const monospace = "SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace"

// colors of a kind of news. Each is legible on its ground for readers who see little contrast:
// at least 4.5 to 1.
type colors struct {
	Strong string // the bar and the button, under white text
	Text   string // the label, on Soft
	Soft   string
	// The same for clients that show mails dark.
	DarkText string
	DarkSoft string
}

// look is the label and colors of a status; one we do not know is neutral.
func look(s notifier.Status) (label string, c colors) {
	switch s {
	case notifier.Success:
		return "Success", colors{"#067647", "#067647", "#ecfdf3", "#75e0a7", "#053321"}
	case notifier.Warning:
		return "Warning", colors{"#b54708", "#93370d", "#fffaeb", "#fec84b", "#4e1d09"}
	case notifier.Failure:
		return "Failure", colors{"#b42318", "#b42318", "#fef3f2", "#fda29b", "#55160c"}
	}
	return "Info", colors{"#175cd3", "#175cd3", "#eff8ff", "#84caff", "#102a56"}
}

// Lines are those of a body that is plain text, in pieces: its URLs are links, but for those after the first hundred.
func (v view) Lines() [][]notifier.Link {
	most := 100
	lines := make([][]notifier.Link, len(v.Body))
	for i, line := range v.Body {
		rest := 0
		for _, at := range notifier.FindURLs(line, most) {
			text := line[at[0]:at[1]]
			lines[i] = append(lines[i], notifier.Link{Text: line[rest:at[0]]}, notifier.Link{Text: shorter(text), URL: web(text)})
			rest = at[1]
			most--
		}
		lines[i] = append(lines[i], notifier.Link{Text: line[rest:]})
	}
	return lines
}

// shorter is a long URL with its middle left out: where it leads, and its end, by which people tell links apart.
func shorter(address string) string {
	const longest, end = 64, 32
	host := strings.Index(address, "//") + len("//")
	slash := strings.IndexByte(address[host:], '/')
	if u := web(address); u == "" || slash < 0 || utf8.RuneCountInString(address) <= longest || host+slash > longest-end {
		return address
	}
	runes := []rune(address)
	return address[:host+slash+1] + "…" + string(runes[len(runes)-end:])
}

// OutlookBegin and OutlookEnd hold the card together in Outlook for Windows, which knows no greatest width.
func (view) OutlookBegin() template.HTML {
	return `<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->`
}

// OutlookEnd is the other half.
func (view) OutlookEnd() template.HTML { return `<!--[if mso]></td></tr></table><![endif]-->` }

// HTML is the message as an HTML mail: tables and inline styles, as mail clients want them, in
// light and dark. Its error would be a mistake in our template.
func HTML(m notifier.Message) (string, error) {
	v := newView(m)
	if m.Markdown {
		rich, err := markdown.HTML(strings.Join(v.Body, "\n"))
		if err != nil {
			return "", fmt.Errorf("make HTML of a mail: %w", err)
		}
		v.Rich = template.HTML(dress.Replace(rich)) //nolint:gosec // sanitized, and then of our own styles only
	}
	var out strings.Builder
	if err := page.Execute(&out, v); err != nil {
		return "", fmt.Errorf("make HTML of a mail: %w", err)
	}
	return out.String(), nil
}
