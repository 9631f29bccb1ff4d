package stdout

import (
	"cmp"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Text is the message as it is printed: a line with status and title, all else indented below,
// and an empty line at the end. It holds nothing that a terminal would act upon.
func Text(m notifier.Message) string {
	p := &page{}
	p.line("["+status(m.Status)+"]", cmp.Or(notifier.OneLine(m.Title), notifier.OneLine(m.Reason), "Flyte notification"))
	p.block("  ", m.Body)
	p.facts(m.Facts)
	p.block("  | ", m.Error)
	for _, l := range m.Links {
		p.line(" ", linked(notifier.OneLine(l.Text), l.URL))
	}
	for _, note := range m.Notes {
		p.line("  note:", notifier.OneLine(note))
	}
	p.line(" ", whyAndWhen(m))
	return p.String() + "\n"
}

// status is the status' word; one that nobody knows is information.
func status(s notifier.Status) string {
	switch s {
	case notifier.Success, notifier.Warning, notifier.Failure:
		return string(s)
	}
	return string(notifier.Info)
}

type page struct{ strings.Builder }

// line adds a line, unless its text is empty.
func (p *page) line(lead, text string) {
	if text != "" {
		p.WriteString(lead + " " + text + "\n")
	}
}

// block adds a text's lines, each with the lead.
func (p *page) block(lead, text string) {
	text = strings.Trim(notifier.Printable(text), "\n")
	if strings.TrimSpace(text) == "" {
		return
	}
	for line := range strings.Lines(text) {
		p.WriteString(strings.TrimRight(lead+line, " \t\n") + "\n")
	}
}

// facts adds a line for each, the values below each other.
func (p *page) facts(all []notifier.Fact) {
	const widest = 20
	width := 0
	for _, f := range all {
		width = max(width, min(widest, len([]rune(notifier.OneLine(f.Name)))))
	}
	for _, f := range all {
		name := notifier.OneLine(f.Name) + ":"
		name += strings.Repeat(" ", max(0, width+1-len([]rune(name))))
		p.line("  "+name, linked(notifier.OneLine(f.Value), f.URL))
	}
}

// linked is a text with where it leads to behind it.
func linked(text, url string) string {
	url = notifier.OneLine(url)
	switch {
	case url == "" || url == text:
		return text
	case text == "":
		return url
	}
	return text + " (" + url + ")"
}

func whyAndWhen(m notifier.Message) string {
	why := notifier.OneLine(m.Reason)
	if m.Time.IsZero() {
		return why
	}
	if why != "" {
		why += ", "
	}
	return why + m.Time.UTC().Format(time.DateTime+" UTC")
}
