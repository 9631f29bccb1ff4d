package spec

import (
	"fmt"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// maxName is the longest name of anything in Flyte, in bytes.
const maxName = 255

const executionPath = "watch.execution"

// target finds out which execution a task watches.
func (p *parser) target(doc watchDocument) Target {
	p.identifier("watch.node", doc.Node)
	t := Target{Node: doc.Node}
	caller := p.env.Caller
	switch x := doc.Execution; {
	case x.Input != "":
		t.Execution = p.fromInput(x.Input)
	case x.Name != "":
		t.Execution = p.explicit(x)
	case !p.told(executionPath):
		t.Execution, t.Self = caller, true
		p.self(caller)
	}
	// Under whatever form it was named: the task's own execution cannot be waited for.
	t.Self = t.Self || caller.Name != "" && t.Execution == caller
	return t
}

// self checks the execution that runs the task, which its metadata names.
func (p *parser) self(caller Execution) {
	switch {
	case caller.Name == "" && p.env.alone():
	case caller.Name == "":
		p.add(executionPath, "required: the task does not run in an execution")
	case !proper(caller):
		p.add(executionPath, "the task's own execution has no proper name")
	}
}

func proper(x Execution) bool {
	return identifier(x.Project) && identifier(x.Domain) && identifier(x.Name)
}

// told says whether there is a problem at the path or below it already.
func (p *parser) told(path string) bool {
	for _, problem := range p.problems {
		if rest, below := strings.CutPrefix(problem.Path, path); below && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

// explicit is {project, domain, name}, where the first two are the caller's by default.
func (p *parser) explicit(doc executionDocument) Execution {
	x := Execution{Org: p.env.Caller.Org, Project: doc.Project, Domain: doc.Domain, Name: doc.Name}
	p.identifier(executionPath+".project", x.Project)
	p.identifier(executionPath+".domain", x.Domain)
	p.identifier(executionPath+".name", x.Name)
	if x.Project == "" {
		x.Project = p.callers(executionPath+".project", p.env.Caller.Project)
	}
	if x.Domain == "" {
		x.Domain = p.callers(executionPath+".domain", p.env.Caller.Domain)
	}
	p.project(executionPath+".project", x)
	return x
}

// callers is a default from the caller, which there must be.
func (p *parser) callers(path, value string) string {
	if value == "" && !p.env.alone() {
		p.add(path, "required: the task does not run in an execution")
	}
	return value
}

// fromInput is the execution that a task input names.
func (p *parser) fromInput(input string) Execution {
	const path = executionPath + ".input"
	if p.env.Inputs == nil && p.env.alone() {
		return Execution{} // the input comes with the run
	}
	value, ok := p.env.Inputs[input]
	if !ok {
		names := make([]string, 0, len(p.env.Inputs))
		for name := range p.env.Inputs {
			names = append(names, name)
		}
		p.add(path, "the task has no input "+strict.Quote(input)+strict.Suggest(input, names))
		return Execution{}
	}
	text, ok := value.(string)
	if !ok {
		p.add(path, fmt.Sprintf("input %s must hold a string, not %s", strict.Quote(input), strict.Name(value)))
		return Execution{}
	}
	return p.parseName(path, input, text)
}

// parseName reads "name" or "project/domain/name".
func (p *parser) parseName(path, input, text string) Execution {
	caller := p.env.Caller
	x := Execution{Org: caller.Org, Project: caller.Project, Domain: caller.Domain, Name: text}
	if parts := strings.Split(text, "/"); len(parts) == 3 {
		x.Project, x.Domain, x.Name = parts[0], parts[1], parts[2]
	}
	if !identifier(x.Project) || !identifier(x.Domain) || !identifier(x.Name) {
		p.add(path, fmt.Sprintf("input %s must hold a name or project/domain/name, not %s", strict.Quote(input), strict.Quote(text)))
		return Execution{}
	}
	p.project(path, x)
	return x
}

// project refuses another project than the caller's, unless the server allows it.
func (p *parser) project(path string, x Execution) {
	if p.env.alone() || p.env.AllowCrossProject || x.Project == "" || x.Project == p.env.Caller.Project {
		return
	}
	p.add(path, fmt.Sprintf("project %s is not the task's own, and the server does not allow that (watch.allow_cross_project)",
		strict.Quote(x.Project)))
}

// identifier tells of a name that cannot be one in Flyte. Names reach flyteadmin's filters, where
// a separator inside of one would change the question.
func (p *parser) identifier(path, name string) {
	if name != "" && !identifier(name) {
		p.add(path, "must consist of letters, digits, '-', '_' and '.', not "+strict.Quote(name))
	}
}

func identifier(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}
