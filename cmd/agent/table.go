package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// table prints rows in columns: colored on a terminal, plain where piped.
type table struct {
	out   *tabwriter.Writer
	color bool
}

func newTable(w io.Writer, header ...string) *table {
	t := &table{out: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), color: isTerminal(w)}
	for i, h := range header {
		header[i] = t.paint(h, "HEADER")
	}
	t.row(header...)
	return t
}

func (t *table) row(cells ...string) {
	_, _ = io.WriteString(t.out, strings.Join(cells, "\t")+"\n") // flush returns the error
}

func (t *table) flush() error { return t.out.Flush() }

// The SGR colors by what a cell says. All have one length: tabwriter counts their bytes.
var colors = map[string]string{
	"delivered": "\x1b[32m", "ended": "\x1b[32m", "SUCCEEDED": "\x1b[32m",
	"pending": "\x1b[33m", "active": "\x1b[33m", "RUNNING": "\x1b[33m",
	"dead": "\x1b[31m", "lost": "\x1b[31m", "FAILED": "\x1b[31m", "TIMED_OUT": "\x1b[31m",
}

// paint colors a cell by what it says. Every cell of a column must pass here, or none: the escape
// codes count as width.
func (t *table) paint(text, as string) string {
	if !t.color {
		return text
	}
	code, ok := colors[as]
	if !ok {
		code = "\x1b[39m"
	}
	return code + text + "\x1b[0m"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
}

// printLine writes one object as one line of JSON.
func printLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// brief keeps a cell on one line, without control characters.
func brief(s string, n int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
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

func errState(state string) error { return fmt.Errorf("--state: unknown state %q", state) }
