package render

import (
	"strings"
	"text/template/parse"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/markdown"
)

// rich renders a text that is Markdown. Only what its author wrote is: what the actions print is somebody else's, an error
// text say, and is shown as it is.
func rich(text string, d Data) (string, error) {
	var values []string
	marked, err := Inserting(strings.ReplaceAll(text, markdown.Mark, ""), d, func(_, value string) string {
		values = append(values, value)
		return markdown.Mark
	})
	if err != nil {
		return "", err
	}
	return markdown.Fill(strings.Trim(notifier.Visible(marked), "\n\t "), values), nil
}

// rawName is the function by which an author says that what an action prints counts as written by himself.
const rawName = "raw"

// rawFunction prints in the place of showFunction where rawName comes last in an action.
const rawFunction = "_raw"

// shownBy is the function that prints what a pipeline makes.
func shownBy(p *parse.PipeNode) string {
	last := p.Cmds[len(p.Cmds)-1]
	if name, ok := last.Args[0].(*parse.IdentifierNode); ok && name.Ident == rawName {
		return rawFunction
	}
	return showFunction
}

// raw is a value as it goes into the output without being escaped.
func (b *budget) raw(v any) (string, error) {
	s, err := b.text(v)
	return strings.ReplaceAll(s, markdown.Mark, ""), err
}
