package render

import (
	"errors"
	"strconv"
	"sync"
	"text/template"
	"text/template/parse"

	"github.com/flyte-notifier/flyte-notifier/internal/memo"
)

// String renders one text. What is longer than 64 KiB is cut, ending in "…". The error names the
// line and what failed there.
func String(text string, d Data) (string, error) { return Inserting(text, d, nil) }

// Inserting is String, where what the template's actions put into the text goes through insert, and what its author
// wrote does not: see notifier.RenderText.
func Inserting(text string, d Data, insert func(before, value string) string) (string, error) {
	if !IsTemplate(text) {
		return cut(text, maxText), nil
	}
	return programs.Of(text).run(d, insert)
}

// programs remembers what texts were compiled to, since each execution of a workflow brings the same ones.
var programs = memo.New(256, func(text string) *program {
	tree, err := compile(text)
	return &program{tree: tree, err: err}
})

// program is a text that was compiled: a tree that is only read, or what is wrong with the text.
type program struct {
	tree *parse.Tree
	err  error
	idle sync.Pool // of *runner
}

// runner runs a program, one execution after the other.
type runner struct {
	*template.Template
	budget *budget // of its functions
}

func (p *program) run(d Data, insert func(before, value string) string) (string, error) {
	if p.err != nil {
		return "", p.err
	}
	r, err := p.runner()
	if err != nil {
		return "", readable(err)
	}
	defer p.idle.Put(r)
	var out output
	*r.budget = budget{insert: insert, out: &out}
	if err := r.Execute(&out, d.variables()); err != nil && !errors.Is(err, errFull) {
		return "", readable(err)
	}
	return cut(string(out.b), maxText), nil
}

func (p *program) runner() (*runner, error) {
	if r, ok := p.idle.Get().(*runner); ok {
		return r, nil
	}
	b := &budget{}
	t, err := template.New(main).Funcs(b.functions()).Option("missingkey=zero").AddParseTree(main, p.tree)
	return &runner{t, b}, err
}

// The functions that instrument adds to a template.
const (
	showFunction  = "_show"
	roundFunction = "_round"
)

// instrument makes every output go through `show`, which prints what is absent as nothing, and
// starts the body of every range with a call that counts rounds. It returns how many nodes run
// when the list runs, without those of ranges inside, which count for themselves.
func instrument(l *parse.ListNode) int {
	if l == nil {
		return 0
	}
	nodes := 0
	for _, n := range l.Nodes {
		nodes++
		switch n := n.(type) {
		case *parse.ActionNode:
			nodes += operands(n.Pipe)
			if len(n.Pipe.Decl) == 0 {
				n.Pipe.Cmds = append(n.Pipe.Cmds, call(n.Pos, shownBy(n.Pipe)))
			}
		case *parse.IfNode:
			nodes += operands(n.Pipe) + instrument(n.List) + instrument(n.ElseList)
		case *parse.WithNode:
			nodes += operands(n.Pipe) + instrument(n.List) + instrument(n.ElseList)
		case *parse.RangeNode:
			nodes += operands(n.Pipe) + instrument(n.ElseList)
			countRounds(n)
		}
	}
	return nodes
}

// operands is how many values a pipeline evaluates.
func operands(p *parse.PipeNode) int {
	count := 0
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			count++
			switch arg := arg.(type) {
			case *parse.PipeNode:
				count += operands(arg)
			case *parse.ChainNode:
				if inner, ok := arg.Node.(*parse.PipeNode); ok {
					count += operands(inner)
				}
			}
		}
	}
	return count
}

func countRounds(n *parse.RangeNode) {
	nodes := 1 + instrument(n.List)
	number := &parse.NumberNode{NodeType: parse.NodeNumber, Pos: n.Pos, IsInt: true, Int64: int64(nodes), Text: strconv.Itoa(nodes)}
	action := &parse.ActionNode{
		NodeType: parse.NodeAction, Pos: n.Pos, Line: n.Line,
		Pipe: &parse.PipeNode{
			NodeType: parse.NodePipe, Pos: n.Pos, Line: n.Line,
			Cmds: []*parse.CommandNode{call(n.Pos, roundFunction, number)},
		},
	}
	n.List.Nodes = append([]parse.Node{action}, n.List.Nodes...)
}

// call is the command that calls a function.
func call(pos parse.Pos, function string, args ...parse.Node) *parse.CommandNode {
	name := parse.NewIdentifier(function).SetPos(pos)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: append([]parse.Node{name}, args...)}
}
