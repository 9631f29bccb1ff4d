package render

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// main is the name of the one template in a text.
const main = "template"

// Check returns what is wrong with a template before any data is there: its syntax, unknown
// variables and functions, what is refused (define, template, block, a range over a number, range,
// with and if nested over two deep), or a text over 64 KiB. The error names the line.
func Check(text string) error {
	if !IsTemplate(text) {
		return fits(text)
	}
	return programs.Of(text).err
}

func fits(text string) error {
	if len(text) > maxText {
		return fmt.Errorf("is %d bytes long, over the limit of %d", len(text), maxText)
	}
	return nil
}

// IsTemplate says whether a string is a template: whether it holds "{{".
func IsTemplate(s string) bool { return strings.Contains(s, "{{") }

// compile parses and checks the text, and makes it safe to execute.
func compile(text string) (*parse.Tree, error) {
	if err := fits(text); err != nil {
		return nil, err
	}
	set := map[string]*parse.Tree{}
	tree := parse.New(main)
	tree.Mode = parse.SkipFuncCheck // checked below: the parser would also allow `call`
	if _, err := tree.Parse(text, "", "", set); err != nil {
		return nil, readable(err)
	}
	if len(set) != 1 || set[main] != tree {
		return nil, errors.New("define and block are not supported")
	}
	c := &checker{tree: tree, functions: functionNames}
	c.list(tree.Root, scope{root: true})
	if c.err != nil {
		return nil, c.err
	}
	instrument(tree.Root)
	return tree, nil
}

// readable is an error of text/template without the words that mean nothing to authors, our own
// functions among them.
func readable(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: "+main+":")
	text = strings.ReplaceAll(text, `executing "`+main+`" at `, "at ")
	if before, after, ours := strings.Cut(text, "at <_"); ours {
		if _, cause, found := strings.Cut(after, "error calling _"); found {
			_, cause, _ = strings.Cut(cause, ": ")
			text = before + cause
		}
	}
	return errors.New("line " + notifier.Printable(text))
}

// scope is where in a template a node stands.
type scope struct {
	root  bool // dot is the variables
	depth int  // how many range, with and if it stands in
}

// checker walks a tree and keeps the first problem.
type checker struct {
	tree      *parse.Tree
	functions []string
	err       error
}

func (c *checker) fail(n parse.Node, format string, args ...any) {
	if c.err != nil {
		return
	}
	location, _ := c.tree.ErrorContext(n)
	location = strings.TrimPrefix(location, main+":")
	c.err = fmt.Errorf("line %s: %w", location, fmt.Errorf(format, args...))
}

func (c *checker) list(l *parse.ListNode, s scope) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		c.node(n, s)
	}
}

func (c *checker) node(n parse.Node, s scope) {
	switch n := n.(type) {
	case *parse.ActionNode:
		c.pipe(n.Pipe, s)
	case *parse.IfNode:
		c.branch(&n.BranchNode, s, s.root)
	case *parse.WithNode:
		c.branch(&n.BranchNode, s, false)
	case *parse.RangeNode:
		c.refuseNumber(n)
		c.branch(&n.BranchNode, s, false)
	case *parse.TemplateNode:
		c.fail(n, "template is not supported")
	}
}

// branch checks range, with and if; root says whether dot in the body is still the variables.
func (c *checker) branch(n *parse.BranchNode, s scope, root bool) {
	if s.depth++; s.depth > maxNesting {
		c.fail(n, "range, with and if are nested over %d deep", maxNesting)
		return
	}
	c.pipe(n.Pipe, s)
	c.list(n.List, scope{root: root, depth: s.depth})
	if elseIf(n.ElseList) {
		s.depth--
	}
	c.list(n.ElseList, s)
}

// elseIf says whether this is {{else if}} or {{else with}}, which reads as one level.
func elseIf(l *parse.ListNode) bool {
	if l == nil || len(l.Nodes) != 1 {
		return false
	}
	t := l.Nodes[0].Type()
	return t == parse.NodeIf || t == parse.NodeWith
}

func (c *checker) refuseNumber(n *parse.RangeNode) {
	for _, cmd := range n.Pipe.Cmds {
		if len(cmd.Args) == 1 && cmd.Args[0].Type() == parse.NodeNumber {
			c.fail(n, "range over a number is not supported")
		}
	}
}

func (c *checker) pipe(p *parse.PipeNode, s scope) {
	if p == nil {
		return
	}
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			c.operand(arg, s)
		}
	}
}

func (c *checker) operand(n parse.Node, s scope) {
	switch n := n.(type) {
	case *parse.PipeNode:
		c.pipe(n, s)
	case *parse.ChainNode:
		c.operand(n.Node, s)
	case *parse.IdentifierNode:
		if !slices.Contains(c.functions, n.Ident) {
			c.fail(n, "unknown function %s%s", n.Ident, suggest(n.Ident, c.functions, ""))
		}
	case *parse.FieldNode:
		if s.root {
			c.variable(n, n.Ident)
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			c.variable(n, n.Ident[1:])
		}
	}
}

// variable checks a path that starts at the variables, as far as types tell.
func (c *checker) variable(n parse.Node, path []string) {
	t := reflect.TypeFor[variables]()
	for i, name := range path {
		all, known := names(t)
		if !known {
			return
		}
		if !slices.Contains(all, name) {
			at := "." + strings.Join(path[:i], ".")
			if i > 0 {
				at += "."
			}
			c.fail(n, "unknown variable %s%s%s", at, name, suggest(name, all, at))
			return
		}
		if _, method := t.MethodByName(name); method || t.Kind() != reflect.Struct {
			return
		}
		f, _ := t.FieldByName(name)
		t = f.Type
	}
}

// suggest is ", did you mean X?" where one of the names is near.
func suggest(name string, all []string, prefix string) string {
	best, least := "", 1+max(1, len(name)/2)
	for _, candidate := range all {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + prefix + best + "?"
}

// distance is the number of single-byte edits that make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			edit := diagonal
			if a[i] != b[j] {
				edit++
			}
			diagonal = row[j+1]
			row[j+1] = min(edit, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
