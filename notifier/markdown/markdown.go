// Package markdown reads the safe part of Markdown (CommonMark with struck-out text and bare URLs as links) for notifiers
// that show it. What a text cannot do: bring HTML, which is shown as it is written, load images, of which the
// description is shown, or lead anywhere but to web pages and mail addresses.
package markdown

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	markup "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// MaxLength is how long a text may be, in bytes. Longer ones are not read as Markdown.
const MaxLength = 64 << 10

// maxDepth is how deep quotes, lists and emphasis may be nested, counting each.
const maxDepth = 40

// reader is CommonMark's but for HTML, and for definitions of links, which would show nowhere.
var reader = parser.NewParser(
	parser.WithBlockParsers(
		util.Prioritized(parser.NewSetextHeadingParser(), 100),
		util.Prioritized(parser.NewThematicBreakParser(), 200),
		util.Prioritized(parser.NewListParser(), 300),
		util.Prioritized(parser.NewListItemParser(), 400),
		util.Prioritized(parser.NewCodeBlockParser(), 500),
		util.Prioritized(parser.NewATXHeadingParser(), 600),
		util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
		util.Prioritized(parser.NewBlockquoteParser(), 800),
		util.Prioritized(parser.NewParagraphParser(), 1000),
	),
	parser.WithInlineParsers(
		util.Prioritized(parser.NewCodeSpanParser(), 100),
		util.Prioritized(parser.NewLinkParser(), 200),
		util.Prioritized(parser.NewAutoLinkParser(), 300),
		util.Prioritized(parser.NewEmphasisParser(), 500),
		util.Prioritized(extension.NewStrikethroughParser(), 500),
		util.Prioritized(extension.NewLinkifyParser(extension.WithLinkifyAllowedProtocols([]string{"http", "https"})), 999),
	),
)

var writer = goldmark.New(goldmark.WithParser(reader), goldmark.WithRendererOptions(
	markup.WithHardWraps(),
	renderer.WithNodeRenderers(
		util.Prioritized(images{}, 1),
		util.Prioritized(extension.NewStrikethroughHTMLRenderer(), 500),
	),
)).Renderer()

// elements are all that HTML makes.
var elements = []string{"p", "br", "strong", "em", "del", "code", "pre", "ul", "ol", "li", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr"}

var policy = newPolicy()

func newPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements(elements...)
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.AllowURLSchemeWithCustomPolicy("http", func(u *url.URL) bool { return Address(u.String()) != "" })
	p.AllowURLSchemeWithCustomPolicy("https", func(u *url.URL) bool { return Address(u.String()) != "" })
	p.AllowURLSchemeWithCustomPolicy("mailto", func(u *url.URL) bool { return Address(u.String()) != "" })
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
}

// Parse reads a text. It returns nil for one that is too long or too deeply nested, and is then to be shown as plain
// text; the tree's segments are parts of the source.
func Parse(s string) (root ast.Node, source []byte) {
	if len(s) > MaxLength {
		return nil, nil
	}
	if s = notifier.Printable(s); crowded(s) {
		return nil, nil
	}
	source = []byte(s)
	root = reader.Parse(text.NewReader(source))
	if tooDeep(root) {
		return nil, nil
	}
	return root, source
}

// nesting is a line of more containers than anybody writes.
var nesting = regexp.MustCompile(`(?m)^[ \t]*(?:>[ \t]*|[-+*][ \t]+|\d{1,9}[.)][ \t]+){41}`)

// crowded says whether a text has so much of what the parser takes long for that it would take long: some of its ways
// take the square of their number. It is no text that somebody wrote.
func crowded(s string) bool {
	const mostBrackets, mostMarks = 1000, 4000
	return strings.Count(s, "[") > mostBrackets || strings.Count(s, "*")+strings.Count(s, "_")+strings.Count(s, "~") > mostMarks ||
		nesting.MatchString(s)
}

func tooDeep(root ast.Node) bool {
	depth, deepest := 0, 0
	_ = ast.Walk(root, func(_ ast.Node, entering bool) (ast.WalkStatus, error) { // which returns no error
		if !entering {
			depth--
			return ast.WalkContinue, nil
		}
		depth++
		deepest = max(deepest, depth)
		return ast.WalkContinue, nil
	})
	return deepest > maxDepth
}

// HTML is the text as safe HTML of few elements, without attributes but for those of links. Its error would be a
// mistake in ours.
func HTML(s string) (string, error) {
	root, source := Parse(s)
	if root == nil {
		return "<p>" + strings.ReplaceAll(html.EscapeString(notifier.Printable(s)), "\n", "<br>\n") + "</p>", nil
	}
	var out strings.Builder
	if err := writer.Render(&out, source, root); err != nil {
		return "", fmt.Errorf("make HTML of Markdown: %w", err)
	}
	return notifier.Visible(policy.Sanitize(out.String())), nil // entities may stand for what is not
}

// Address is where a link may lead: a web page, without credentials, or a mail address. Empty: nowhere.
func Address(raw string) string {
	const longest = 2000 // what mail clients and browsers surely take
	u, err := url.Parse(raw)
	if err != nil || len(raw) > longest || raw != notifier.OneLine(raw) {
		return ""
	}
	switch {
	case exchange.WebLink(raw, longest) != "":
		return raw
	case u.Scheme == "mailto" && u.Opaque != "" && u.RawQuery == "":
		return raw
	}
	return ""
}

// images shows their description only.
type images struct{}

// RegisterFuncs takes images over.
func (images) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindImage, func(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) { return ast.WalkContinue, nil })
}

// Literal is a piece of a parsed text as it is meant: without the backslashes before punctuation, and with entities as
// the characters they stand for.
func Literal(s string) string {
	return notifier.Visible(string(util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences([]byte(s))))))
}
