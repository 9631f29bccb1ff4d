package markdown

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Mark stands for a value in a text that Fill fills. Unicode has no character there, and never will.
const Mark = "\ufdd0"

// Fill is a text with the values, in their order, in the place of its marks: so that each is shown as it is and means
// nothing, whatever the author of the text wrote around it. In code a value stays as it is, but that it does not end the
// code; in a link's address it is percent-encoded; elsewhere what would mean something has a backslash before it. What is
// longer than MaxLength is cut.
//
// Where a value stands is asked of the parser, with the marks in the text: a mark is a letter to it. Whether those left as
// they are within fences stand there indeed is asked again, with all values, for these may change what the author's own
// text means; else all are escaped, which is right everywhere.
func Fill(s string, values []string) string {
	s = notifier.Visible(s)
	values = slices.Clone(values)
	for i, value := range values {
		values[i] = strings.ReplaceAll(notifier.Printable(value), Mark, "")
	}
	filled, fenced := fill(s, values, places(s))
	if !allFenced(filled, fenced) {
		filled, _ = fill(s, values, nil)
	}
	return filled
}

// kind is how a value is written.
type kind int

const (
	running kind = iota
	address
	spanned
	fenced
)

// place is where a mark stands.
type place struct {
	kind   kind
	prefix string // of its line: what a quote or a list wants of each
}

// places are those of the marks, by their offset. nil: it cannot be told.
func places(s string) map[int]place {
	root, source := Parse(s)
	if root == nil {
		return nil
	}
	all := map[int]place{}
	for at := range eachMark(s) {
		all[at] = place{kind: address} // unless it is found in a text
	}
	put := func(part text.Segment, p place) {
		for at := range eachMark(string(source[part.Start:part.Stop])) {
			all[part.Start+at] = p
		}
	}
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // which returns no error
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.FencedCodeBlock:
			for _, line := range n.Lines().Sliced(0, n.Lines().Len()) {
				begin := strings.LastIndexByte(s[:line.Start], '\n') + 1
				put(line, place{fenced, s[begin:line.Start]})
			}
		case *ast.CodeBlock: // each line of a value would need its indentation
			for _, line := range n.Lines().Sliced(0, n.Lines().Len()) {
				put(line, place{})
			}
		case *ast.Text:
			p := place{}
			if span, ok := n.Parent().(*ast.CodeSpan); ok && span.FirstChild() == span.LastChild() {
				p.kind = spanned
			}
			put(n.Segment, p)
		}
		return ast.WalkContinue, nil
	})
	return all
}

// eachMark yields the offsets of the marks.
func eachMark(s string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for at := 0; ; at += len(Mark) {
			next := strings.Index(s[at:], Mark)
			if next < 0 || !yield(at+next) {
				return
			}
			at += next
		}
	}
}

// part is where in a text something stands.
type part struct{ start, stop int }

// fill writes the values where the places say, all as running text without these. raw are those within fences, line by
// line.
func fill(s string, values []string, at map[int]place) (filled string, raw []part) {
	var out strings.Builder
	done, i := 0, 0
	for mark := range eachMark(s) {
		out.WriteString(s[done:mark])
		if done = mark + len(Mark); i >= len(values) || out.Len() > MaxLength {
			break
		}
		switch p := at[mark]; p.kind {
		case address:
			out.WriteString(percent(values[i]))
		case spanned:
			out.WriteString(span(values[i], out.String()))
		case fenced:
			for n, line := range strings.Split(strings.TrimRight(unfenced(values[i]), "\n"), "\n") {
				if n > 0 {
					out.WriteString("\n" + p.prefix)
				}
				raw = append(raw, part{out.Len() + len(line) - len(strings.TrimLeft(line, " \t")), out.Len() + len(line)})
				out.WriteString(line)
			}
		default:
			escape(&out, values[i])
		}
		i++
	}
	out.WriteString(strings.ReplaceAll(s[done:], Mark, ""))
	return cut(out.String()), raw
}

func cut(s string) string {
	const ellipsis = "…"
	if len(s) <= MaxLength {
		return s
	}
	most := MaxLength - len(ellipsis)
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + ellipsis
}

// allFenced says whether all parts stand in blocks of code.
func allFenced(s string, parts []part) bool {
	if len(parts) == 0 {
		return true
	}
	root, _ := Parse(s)
	if root == nil {
		return false
	}
	var lines []text.Segment
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // which returns no error
		if block, ok := n.(*ast.FencedCodeBlock); ok && entering {
			lines = append(lines, block.Lines().Sliced(0, block.Lines().Len())...)
		}
		return ast.WalkContinue, nil
	})
	return !slices.ContainsFunc(parts, func(p part) bool {
		if p.stop = min(p.stop, len(s)); p.start >= p.stop {
			return false
		}
		i, found := slices.BinarySearchFunc(lines, p.start, func(l text.Segment, at int) int { return cmp.Compare(l.Start, at) })
		if !found {
			i--
		}
		return i < 0 || p.stop > lines[i].Stop
	})
}

// fence is what could end a block of code.
var fence = regexp.MustCompile("`{3,}|~{3,}")

// unfenced is a value that ends no block of code.
func unfenced(value string) string {
	return fence.ReplaceAllStringFunc(value, strings.NewReplacer("`", "ˋ", "~", "˜").Replace)
}

// span is a value for a code span: one line that does not end it. It also makes no link where a text that was cut has
// lost the span's end.
func span(value, written string) string {
	value = strings.NewReplacer("`", "ˋ", "](", "] (").Replace(strings.Join(strings.Fields(value), " "))
	if value == "" || value[0] == '(' && strings.HasSuffix(written, "]") {
		return " " + value
	}
	return value
}

// percent is a value within an address.
func percent(value string) string {
	var out strings.Builder
	for _, b := range []byte(value) {
		letter := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
		if letter || strings.IndexByte("-._~:/?#&=+%,;!$@", b) >= 0 {
			out.WriteByte(b)
			continue
		}
		fmt.Fprintf(&out, "%%%02X", b)
	}
	return out.String()
}
