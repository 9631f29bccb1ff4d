package slack

import (
	"fmt"
	"strings"

	"github.com/yuin/goldmark/ast"
	extended "github.com/yuin/goldmark/extension/ast"

	"github.com/flyte-notifier/flyte-notifier/notifier/markdown"
)

// rich is Markdown in mrkdwn, in parts of whole paragraphs, none longer than limit. It is false for a text that does
// not fit so, which is then shown as it is written.
func rich(s string, limit int) (parts []string, ok bool) {
	root, source := markdown.Parse(s)
	if root == nil {
		return nil, false
	}
	c := converter{source: source}
	for block := root.FirstChild(); block != nil; block = block.NextSibling() {
		text := c.block(block)
		last := len(parts) - 1
		switch {
		case strings.TrimSpace(text) == "":
		case length(text) > limit:
			return nil, false
		case last >= 0 && length(parts[last])+length(text)+len("\n\n") <= limit:
			parts[last] += "\n\n" + text
		default:
			parts = append(parts, text)
		}
	}
	return parts, len(parts) <= bodyParts
}

// converter turns Markdown of this source into mrkdwn. All text in it is escaped.
type converter struct {
	source []byte
	bold   bool // what it converts is, and stands between asterisks
}

func (c converter) block(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Heading:
		c.bold = true
		return wrapped("*", c.inlines(n))
	case *ast.Blockquote:
		return "&gt; " + strings.ReplaceAll(c.blocks(n, "\n\n"), "\n", "\n&gt; ")
	case *ast.List:
		return c.list(n)
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		code := strings.TrimRight(string(n.Lines().Value(c.source)), "\n")
		return "```\n" + escape(strings.ReplaceAll(code, "```", "ˋˋˋ")) + "\n```"
	case *ast.ThematicBreak:
		return "―――"
	}
	return c.inlines(n)
}

func (c converter) blocks(n ast.Node, between string) string {
	var parts []string
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		parts = append(parts, c.block(child))
	}
	return strings.Join(parts, between)
}

func (c converter) list(n *ast.List) string {
	var lines []string
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		mark := "• "
		if n.IsOrdered() {
			mark = fmt.Sprintf("%d. ", number)
			number++
		}
		lines = append(lines, mark+strings.ReplaceAll(c.blocks(item, "\n"), "\n", "\n    "))
	}
	return strings.Join(lines, "\n")
}

// inlines are a paragraph's, or those within emphasis.
func (c converter) inlines(n ast.Node) string {
	var b strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		b.WriteString(c.inline(child))
	}
	return b.String()
}

func (c converter) inline(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Text:
		text := escape(literal(string(n.Value(c.source)), n.IsRaw()))
		if n.SoftLineBreak() || n.HardLineBreak() {
			text += "\n"
		}
		return text
	case *ast.String:
		return escape(string(n.Value))
	case *ast.CodeSpan:
		return wrapped("`", strings.ReplaceAll(c.raw(n), "`", "ˋ"))
	case *ast.Emphasis:
		if c.bold && n.Level > 1 {
			return c.inlines(n)
		}
		return wrapped([]string{"_", "*"}[min(n.Level, 2)-1], c.inlines(n))
	case *extended.Strikethrough:
		return wrapped("~", c.inlines(n))
	case *ast.AutoLink:
		return anchor(string(n.Label(c.source)), markdown.Address(string(n.URL(c.source))))
	case *ast.Link:
		return c.link(n)
	}
	return c.inlines(n) // an image's description, for example
}

// link leads to a web page; a mail address is shown beside its text.
func (c converter) link(n *ast.Link) string {
	address := markdown.Address(string(n.Destination))
	text := c.plain(n)
	if mail, ok := strings.CutPrefix(address, "mailto:"); ok && mail != text {
		return escape(text + " (" + mail + ")")
	}
	return anchor(text, address)
}

// raw is the text within a code span, escaped.
func (c converter) raw(n ast.Node) string {
	var b strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		if text, ok := child.(*ast.Text); ok {
			b.Write(text.Value(c.source))
		}
	}
	return escape(strings.ReplaceAll(b.String(), "\n", " "))
}

// plain is all text within a node, neither marked nor escaped.
func (c converter) plain(n ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // which returns no error
		if text, ok := n.(*ast.Text); ok && entering {
			b.WriteString(literal(string(text.Value(c.source)), text.IsRaw()))
		}
		return ast.WalkContinue, nil
	})
	return strings.ReplaceAll(b.String(), "\n", " ")
}

// wrapped is text between marks; Slack takes those around nothing, or beside white space, as they are.
func wrapped(mark, text string) string {
	if inner := strings.TrimSpace(text); inner != "" {
		return mark + inner + mark
	}
	return text
}

// literal is text without Markdown's backslashes and entities, unless it is raw.
func literal(s string, raw bool) string {
	if raw {
		return s
	}
	return markdown.Literal(s)
}
