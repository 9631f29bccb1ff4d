package spec

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
)

// ParseTask reads the spec of a notification task from a tree of maps, lists and scalars. Either
// the task or the problems are nil.
func ParseTask(tree any, env Env) (*Task, []notifier.Problem) {
	var doc taskDocument
	p := &parser{env: env, problems: strict.Decode(tree, &doc)}
	task := &Task{Wait: doc.Wait, Target: p.target(doc.Watch), own: doc.Watch.Execution == (executionDocument{})}
	if task.Wait && task.Target.Self {
		p.add("wait", "a task cannot wait for the execution that runs it: it would never end")
	}
	task.Rules = p.rules(doc.Rules, task.Target)
	if problems := p.result(); problems != nil {
		return nil, problems
	}
	return task, nil
}

// ParseSend reads the spec of a notification_send task. Either the task or the problems are nil.
func ParseSend(tree any, env Env) (*SendTask, []notifier.Problem) {
	var doc sendDocument
	p := &parser{env: env, problems: strict.Decode(tree, &doc)}
	task := &SendTask{
		Send: p.steps("send", doc.Send, Target{}), Message: p.message("message", doc.Message), Require: doc.Require,
	}
	if problems := p.result(); problems != nil {
		return nil, problems
	}
	return task, nil
}

// ParseSteps reads a list of destinations that belong to no task and no execution, found at the path. Either the steps
// or the problems are nil.
func ParseSteps(path string, tree any, env Env) ([]Step, []notifier.Problem) {
	var doc struct {
		List []any `json:"list" min:"1" max:"100"`
	}
	p := &parser{env: env, ofNobody: true}
	for _, found := range strict.Decode(map[string]any{"list": tree}, &doc) {
		found.Path = path + found.Path[min(len("list"), len(found.Path)):]
		p.problems = append(p.problems, found)
	}
	steps := p.steps(path, doc.List, Target{})
	if problems := p.result(); problems != nil {
		return nil, problems
	}
	return steps, nil
}

// parser gathers the problems of one spec.
type parser struct {
	env         Env
	problems    []notifier.Problem
	subscribing bool               // what is read are subscriptions
	ofNobody    bool               // what is read belongs to no execution
	broken      []notifier.Problem // of ifs and templates in subscriptions
}

func (p *parser) add(path, text string) {
	p.problems = append(p.problems, notifier.Problem{Path: path, Text: text})
}

func (p *parser) result() []notifier.Problem {
	strict.Sort(p.problems)
	return strict.Limit(p.problems)
}

func (p *parser) rules(docs []ruleDocument, target Target) []Rule {
	rules := make([]Rule, len(docs))
	named := map[string]int{}
	for i, doc := range docs {
		path := strict.Index("rules", i)
		rules[i] = p.rule(path, doc, target)
		name := rules[i].Name
		if first, twice := named[name]; twice && name != "" {
			p.add(path+".name", fmt.Sprintf("%s is the name of rules[%d] already", strict.Quote(name), first))
		} else {
			named[name] = i
		}
	}
	return rules
}

func (p *parser) rule(path string, doc ruleDocument, target Target) Rule {
	r := Rule{Name: doc.Name}
	var name string
	if r.When, name = p.when(path+".when", doc.When, target); doc.Name == "" {
		r.Name = name
	}
	p.name(path+".name", r.Name)
	if doc.If != "" {
		var err error
		if r.If, err = Compile(doc.If); err != nil {
			p.soft(path+".if", err.Error())
		}
	}
	r.Send = p.steps(path+".send", doc.Send, target)
	r.Message = p.message(path+".message", doc.Message)
	r.Repeat = p.repeat(path+".repeat", doc.Repeat, r.When)
	p.noise(path, doc, &r)
	r.Escalate = p.escalations(path+".escalate", doc.Escalate, target)
	r.Fallback = p.fallback(path+".fallback", doc.Fallback, target)
	return r
}

// longestName is that of a rule's name, or a subscription's, in bytes.
const longestName = 100

// name checks a rule's name: it is shown in tables and is part of keys, where | separates.
func (p *parser) name(path, name string) {
	if len(name) > longestName || strings.ContainsFunc(name, func(r rune) bool { return r == '|' || !unicode.IsPrint(r) }) {
		p.add(path, fmt.Sprintf("must be at most %d bytes, printable and without |", longestName))
	}
}

func (p *parser) message(path string, doc messageDocument) render.Template {
	p.template(path+".title", doc.Title)
	p.template(path+".body", doc.Body)
	return render.Template{Title: doc.Title, Body: doc.Body, Markdown: doc.Format == "markdown"}
}

func (p *parser) template(path, text string) {
	if err := render.Check(text); err != nil {
		p.soft(path, err.Error())
	}
}
