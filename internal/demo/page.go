package demo

import (
	"fmt"
	"io"
	"strings"
)

// page writes the story for a reader at a terminal.
type page struct {
	out   io.Writer
	color bool
}

func (p *page) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *page) line(s string) { _, _ = fmt.Fprintln(p.out, s) } // a reader who left needs no story

func (p *page) title(s string) { p.line("\n" + p.paint("1", s)) }

func (p *page) scene(n int, s string) { p.line("\n" + p.paint("1;36", fmt.Sprintf("%d. %s", n, s))) }

func (p *page) step(who, what string) {
	p.line(p.paint("2", fmt.Sprintf("   %-10s ", who)) + what)
}

// box shows what a person receives.
func (p *page) box(title, text string) {
	p.line("   " + p.paint("33", "┌─ ") + p.paint("1", title))
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		p.line("   " + p.paint("33", "│ ") + l)
	}
	p.line("   " + p.paint("33", "└─"))
}
