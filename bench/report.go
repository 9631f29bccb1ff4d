package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// The columns of the table: what was measured.
const (
	onSQLite   = "SQLite"
	onPostgres = "Postgres"
	theLimit   = "no-op Go"
	thePeer    = "flytekit"
	theLoner   = "each alone"
)

func columns() []string { return []string{onSQLite, onPostgres, theLimit, thePeer, theLoner} }

// row is one line of the table.
type row struct {
	Part    string             `json:"part"`
	Measure string             `json:"measure"`
	Unit    string             `json:"unit"`
	Values  map[string]float64 `json:"values"`         // by column
	Must    string             `json:"must,omitempty"` // for people
	Met     *bool              `json:"met,omitempty"`
}

// must is what a value of one column has to be.
type must struct {
	column string
	least  float64 // zero: no lower bound
	most   float64 // zero: no upper bound
	none   bool    // it must be zero
}

func (m must) String() string {
	switch {
	case m.none:
		return m.column + " = 0"
	case m.most > 0:
		return m.column + " ≤ " + number(m.most)
	}
	return m.column + " ≥ " + number(m.least)
}

func (m must) met(v float64) bool {
	return v >= m.least && (m.most == 0 || v <= m.most) && (!m.none || v == 0)
}

// report is all that one run found.
type report struct {
	Started time.Time `json:"started"`
	Took    string    `json:"took"`
	Machine string    `json:"machine"`
	Load    string    `json:"load"` // load average before the run
	Commit  string    `json:"commit"`
	Command string    `json:"command"`
	Notes   []string  `json:"notes,omitempty"`
	Rows    []*row    `json:"rows"`
}

func newReport(ctx context.Context, o options) *report {
	r := &report{Started: time.Now(), Machine: machine(), Command: "make bench"}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.Load = strings.Join(strings.Fields(string(load))[:3], " ")
	}
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err == nil {
		r.Commit = strings.TrimSpace(string(out))
	}
	if o.parts != "" {
		r.Command += " BENCH='" + o.parts + "'"
	}
	if o.short {
		r.Command += " BENCHFLAGS=-short"
	}
	return r
}

// add puts a row into the report. Values without a column of the table are refused by the tests.
func (r *report) add(part, measure, unit string, values map[string]float64, musts ...must) {
	line := &row{Part: part, Measure: measure, Unit: unit, Values: values}
	var texts []string
	for _, m := range musts {
		v, measured := values[m.column]
		texts = append(texts, m.String())
		if measured {
			met := m.met(v) && (line.Met == nil || *line.Met)
			line.Met = &met
		}
	}
	line.Must = strings.Join(texts, ", ")
	r.Rows = append(r.Rows, line)
}

// note adds a line below the table.
func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *report) heading() string {
	return fmt.Sprintf("%s, commit `%s`, %s, load average before it %s; `%s` took %s.\n",
		r.Started.UTC().Format("2006-01-02"), r.Commit, r.Machine, r.Load, r.Command, r.Took)
}

// table is the report for people, in Markdown that is aligned for terminals as well.
func (r *report) table() string {
	lines := [][]string{append(append([]string{"measure", "unit"}, columns()...), "must be", "")}
	part := ""
	for _, line := range r.Rows {
		if line.Part != part {
			part = line.Part
			lines = append(lines, append([]string{"**" + part + "**"}, make([]string, len(lines[0])-1)...))
		}
		lines = append(lines, line.cells())
	}
	text := align(lines)
	for _, note := range r.Notes {
		text += "\n- " + note
	}
	return text + "\n"
}

func (l *row) cells() []string {
	cells := []string{l.Measure, l.Unit}
	for _, c := range columns() {
		cell := ""
		if v, ok := l.Values[c]; ok {
			cell = number(v)
		}
		cells = append(cells, cell)
	}
	verdict := ""
	if l.Met != nil {
		verdict = map[bool]string{true: "yes", false: "**no**"}[*l.Met]
	}
	return append(cells, l.Must, verdict)
}

// number is a figure with three digits that count.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// align pads cells; numbers go to the right.
func align(lines [][]string) string {
	const words = 2 // columns that hold words
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for n, line := range lines {
		for i, cell := range line {
			gap := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i >= words && i < words+len(columns()) {
				cell, gap = gap+cell, ""
			}
			b.WriteString("| " + cell + gap + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			b.WriteString(rule(widths, words))
		}
	}
	return b.String()
}

// rule is the line below the heads.
func rule(widths []int, words int) string {
	var b strings.Builder
	for i, w := range widths {
		dashes := strings.Repeat("-", w+1)
		if i >= words && i < words+len(columns()) {
			b.WriteString("|" + dashes + ":")
		} else {
			b.WriteString("|" + dashes + "-")
		}
	}
	return b.String() + "|\n"
}

func (r *report) writeJSON(path string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the figures: %w", err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// The markers between which a document holds the table of the last run.
const (
	beginTable = "<!-- bench: begin -->\n"
	endTable   = "<!-- bench: end -->"
)

// rewrite replaces what stands between the markers of a document.
func rewrite(path, table string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	before, rest, begins := bytes.Cut(raw, []byte(beginTable))
	_, after, ends := bytes.Cut(rest, []byte(endTable))
	if !begins || !ends {
		return fmt.Errorf("%s has no markers %q and %q", path, strings.TrimSpace(beginTable), endTable)
	}
	text := string(before) + beginTable + "\n" + table + "\n" + endTable + string(after)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a document, for everybody
		return fmt.Errorf("write the document: %w", err)
	}
	return nil
}

// machine is the hardware in a few words.
func machine() string {
	model, memory := runtime.GOARCH, ""
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	if kib, err := field("/proc/meminfo", "MemTotal:"); err == nil {
		memory = fmt.Sprintf(", %d GiB", (kib+1<<19)>>20)
	}
	return fmt.Sprintf("%d CPUs (%s)%s, %s, %s", runtime.NumCPU(), model, memory, runtime.GOOS, runtime.Version())
}
