package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Load reads the file and the overrides in environ, "NAME=value" each. The error is that of a
// file that cannot be read, or that is no YAML; problems are what it says wrong. The config is
// nil if there is either.
func Load(path string, environ []string, reg *notifier.Registry) (*Config, []notifier.Problem, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read config: %w", err)
	}
	tree, err := strict.YAML(data)
	if err != nil {
		return nil, nil, fmt.Errorf("read config %s: %w", path, err)
	}
	c, problems := parse(tree, environ, reg)
	return c, problems, nil
}

// Parse does the same with the file's content, where no YAML is a problem too. Either the config
// or the problems are nil.
func Parse(data []byte, environ []string, reg *notifier.Registry) (*Config, []notifier.Problem) {
	tree, err := strict.YAML(data)
	if err != nil {
		return nil, []notifier.Problem{{Text: err.Error()}}
	}
	return parse(tree, environ, reg)
}

func parse(tree any, environ []string, reg *notifier.Registry) (*Config, []notifier.Problem) {
	p := &parser{reg: reg}
	m, ok := tree.(map[string]any)
	if !ok && tree != nil {
		p.add("", "must be a mapping, not "+strict.Name(tree))
		return nil, p.result()
	}
	m = p.override(m, environ)
	var doc document
	p.problems = append(p.problems, strict.Decode(m, &doc)...)
	c := &Config{
		Server: doc.Server, Admin: doc.Admin, Flyte: doc.Flyte, Store: doc.Store,
		Delivery: doc.Delivery, Retention: doc.Retention, Watch: doc.Watch,
	}
	c.Connections = p.connections(doc.Connections)
	c.Defaults = p.defaults(doc.Defaults, doc.Connections)
	if m["admin"] == nil {
		p.add("admin.endpoint", "required")
	}
	p.subscriptions(doc.Subscriptions, c)
	p.ops(doc.Ops, c)
	p.check(c)
	if len(p.problems) > 0 {
		p.problems = append(p.problems, c.Broken...)
	}
	if problems := p.result(); problems != nil {
		return nil, problems
	}
	return c, nil
}

// Problems are the problems as users read them, one a line, sorted by path.
func Problems(problems []notifier.Problem) string {
	sorted := append([]notifier.Problem(nil), problems...)
	strict.Sort(sorted)
	var b strings.Builder
	for _, p := range sorted {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

// parser gathers the problems of one config.
type parser struct {
	reg       *notifier.Registry
	problems  []notifier.Problem
	variables []variable
}

func (p *parser) add(path, text string) {
	p.problems = append(p.problems, notifier.Problem{Path: path, Text: text})
}

// result names the variable behind each problem that the file is not to blame for.
func (p *parser) result() []notifier.Problem {
	for i, problem := range p.problems {
		for _, v := range p.variables {
			if below(problem.Path, v.path) || v.unknown && below(v.path, problem.Path) {
				p.problems[i].Text = problem.Text + " (set by " + v.name + ")"
			}
		}
	}
	strict.Sort(p.problems)
	return strict.Limit(p.problems)
}

// told says whether there is a problem at the path or below it already.
func (p *parser) told(path string) bool {
	for _, problem := range p.problems {
		if below(problem.Path, path) {
			return true
		}
	}
	return false
}

func below(path, top string) bool {
	rest, ok := strings.CutPrefix(path, top)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
