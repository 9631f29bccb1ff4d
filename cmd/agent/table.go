package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// table prints rows in columns: colored on a terminal, plain where piped.
type table struct {
	out   *tabwriter.Writer
	color bool
}

func newTable(w io.Writer, header ...string) *table {
	t := &table{out: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), color: colored(w)}
	t.row("", header...)
	return t
}

// The SGR colors of states. All have one length, and every cell gets one: tabwriter counts their
// bytes as width.
const plain = "\x1b[39m"

var colors = map[string]string{
	"delivered": "\x1b[32m", "ended": "\x1b[32m",
	"pending": "\x1b[33m", "active": "\x1b[33m",
	"dead": "\x1b[31m", "lost": "\x1b[31m",
}

// row prints one row; the cell that says its state has the state's color.
func (t *table) row(state string, cells ...string) {
	var line strings.Builder
	for i, c := range cells {
		if i > 0 {
			line.WriteByte('\t')
		}
		line.WriteString(t.paint(c, c == state))
	}
	_, _ = io.WriteString(t.out, line.String()+"\n") // flush returns the error
}

func (t *table) paint(cell string, isState bool) string {
	if !t.color {
		return cell
	}
	code := plain
	if special, ok := colors[cell]; ok && isState {
		code = special
	}
	return code + cell + "\x1b[0m"
}

func (t *table) flush() error { return t.out.Flush() }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colored says whether to write colors: on a terminal, unless NO_COLOR asks for none (no-color.org).
func colored(w io.Writer) bool { return isTerminal(w) && os.Getenv("NO_COLOR") == "" }

// printLine writes one object as one line of JSON.
func printLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// brief keeps a cell on one line, without control characters and direction marks.
func brief(s string, n int) string {
	s = notifier.Printable(strings.Join(strings.FieldsFunc(s, unicode.IsControl), " "))
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// ago is a time as a table shows it.
func ago(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return now.Sub(at).Round(time.Second).String() + " ago"
}

// timestamp is a time as JSON shows it; null when there is none.
func timestamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339Nano)
	return &text
}
