// Package email makes an e-mail's subject, HTML and plain text from a neutral message. It sends
// nothing: the notifiers that do (SendGrid, SMTP) share it, so that a mail looks the same however
// it travels. Every text is untrusted: it is escaped, made printable and cut, and only http and
// https addresses become links.
package email

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// What a mail holds at most; more is cut and says so.
const (
	maxSubject = 200 // runes
	maxLine    = 500
	maxBody    = 20_000
	maxItems   = 40
	maxError   = 8000
	maxFacts   = 40
	maxLinks   = 10
	maxNotes   = 10
)

//go:embed mail.html.tmpl
var source string

var page = template.Must(template.New("mail").Parse(source))

// Subject is the text as a subject: one line without control characters, so that it can start no
// header of its own, and never empty.
func Subject(text string) string { return cmp.Or(line(text, maxSubject), "Flyte notification") }

// view is a message made fit for both forms of a mail.
type view struct {
	Title  string
	Label  string // the kind of news in a word
	Colors colors
	Body   []string // lines
	Items  []item   // what the HTML shows instead of Body
	More   int      // how many more there are
	// Rich is Body as safe HTML, where it is Markdown.
	Rich   template.HTML
	Facts  []notifier.Fact
	Error  string
	Button notifier.Link // the first link
	Links  []notifier.Link
	Notes  []string
	Why    string
	When   string
}

// Preview is what mail clients show beside the subject.
func (v view) Preview() string {
	first, _, _ := strings.Cut(strings.TrimSpace(v.Error), "\n")
	if len(v.Body) > 0 {
		first = v.Body[0]
	}
	switch {
	case len(v.Items) > 0:
		first = v.Items[0].Text
	case v.Rich != "":
		first = unmarked.Replace(strings.TrimLeft(first, "#>-+ "))
	}
	return line(cmp.Or(first, v.Why), 140)
}

// unmarked takes Markdown's marks away where nothing shows them.
var unmarked = strings.NewReplacer("*", "", "`", "", "~~", "")

func newView(m notifier.Message) view {
	label, colors := look(m.Status)
	v := view{
		Title: Subject(m.Title), Label: label, Colors: colors,
		Facts: facts(m.Facts), Error: text(m.Error, maxError), Why: line(m.Reason, maxLine),
	}
	if body := text(m.Body, maxBody); body != "" {
		v.Body = strings.Split(body, "\n")
	}
	v.Items, v.More = items(m.Items), m.More+max(0, len(m.Items)-maxItems)
	if v.Links = links(m.Links); len(v.Links) > 0 {
		v.Button, v.Links = v.Links[0], v.Links[1:]
	}
	for _, note := range m.Notes[:min(len(m.Notes), maxNotes)] {
		if note = line(note, maxLine); note != "" {
			v.Notes = append(v.Notes, note)
		}
	}
	if more := max(0, len(m.Facts)-maxFacts) + max(0, len(m.Links)-maxLinks) + max(0, len(m.Notes)-maxNotes); more > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("Left out for length: %d facts, links or notes.", more))
	}
	if !m.Time.IsZero() {
		v.When = m.Time.UTC().Format("2 Jan 2006 15:04:05 ") + time.UTC.String()
	}
	return v
}

// item is one of several things that a mail tells of.
type item struct{ When, Text, URL string }

func items(all []notifier.Item) []item {
	var kept []item
	for _, i := range all[:min(len(all), maxItems)] {
		kept = append(kept, item{When: i.Time.UTC().Format("2 Jan 15:04 UTC"), Text: line(i.Text, maxLine), URL: web(i.URL)})
	}
	return kept
}

func facts(all []notifier.Fact) []notifier.Fact {
	var kept []notifier.Fact
	for _, f := range all[:min(len(all), maxFacts)] {
		f = notifier.Fact{Name: line(f.Name, maxLine), Value: line(f.Value, maxLine), URL: web(f.URL)}
		if f.Name != "" || f.Value != "" {
			kept = append(kept, f)
		}
	}
	return kept
}

func links(all []notifier.Link) []notifier.Link {
	var kept []notifier.Link
	for _, l := range all[:min(len(all), maxLinks)] {
		if address := web(l.URL); address != "" {
			kept = append(kept, notifier.Link{Text: cmp.Or(line(l.Text, maxLine), address), URL: address})
		}
	}
	return kept
}

// web is the address when a click on it can only open a web page, else nothing.
func web(raw string) string {
	const longest = 2000 // what mail clients and browsers surely take
	return exchange.WebLink(raw, longest)
}

// line is the text in one printable line of at most so many runes.
func line(s string, runes int) string {
	return cut(strings.Join(strings.Fields(notifier.Printable(enough(s, runes))), " "), runes, "…")
}

// text is the printable text of at most so many runes, without outer blank lines.
func text(s string, runes int) string {
	s = strings.TrimRight(strings.TrimLeft(notifier.Printable(enough(s, runes)), "\n"), "\n\t ")
	return cut(s, runes, fmt.Sprintf("\n… cut after %d characters", runes))
}

// enough is so much of s as so many runes can come from, lest megabytes are cleaned to be cut.
func enough(s string, runes int) string {
	const widest, slack = 2 * utf8.UTFMax, 1024 // room for what is not printable
	return s[:min(len(s), widest*runes+slack)]
}

func cut(s string, runes int, ending string) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes-utf8.RuneCountInString(ending)]) + ending
}
