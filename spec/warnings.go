package spec

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Warnings are what is no mistake in a task's spec, and yet no author wants: rules that can never fire.
func (t *Task) Warnings() (all []notifier.Problem) {
	for i, r := range t.Rules {
		path := strict.Index("rules", i)
		all = append(all, r.warnings(path, t.Target.Node != "")...)
		if t.Target.Self && t.Target.Node == "" && r.When.onlyBefore() {
			all = append(all, notifier.Problem{
				Path: path + ".when", Text: "never happens: the execution that runs the task has started already; a subscription of the server's config can tell of this",
			})
		}
	}
	return all
}

// Warnings are those of a subscription's rules.
func (s *Subscription) Warnings() (all []notifier.Problem) {
	for _, r := range s.Rules {
		all = append(all, r.warnings(r.Path(), false)...)
	}
	return all
}

// Path is where the rule stands in its file, such as rules[0]; empty for one without destinations. Its place among those
// that were read may be another: some may be left out.
func (r Rule) Path() string {
	if len(r.Send) == 0 {
		return ""
	}
	path, _, _ := strings.Cut(r.Send[0].Path, ".send[")
	return path
}

// onlyBefore says whether the condition holds only for what has not started.
func (w When) onlyBefore() bool {
	return w.Is() == WhenQueuedFor || w.Is() == WhenPhase && !slices.ContainsFunc(w.Phases, func(p string) bool { return p != "QUEUED" && p != "UNDEFINED" })
}

func (r Rule) warnings(path string, ofNode bool) []notifier.Problem {
	if r.If == nil || r.If.program == nil {
		return nil
	}
	if why := never(r.If.program.Node(), r.When, ofNode); why != "" {
		return []notifier.Problem{{Path: path + ".if", Text: "never holds: " + why}}
	}
	return nil
}

// never says why an expression cannot hold when the condition makes it count, as far as one part of it that must
// hold shows: a phase that is none or another, or an elapsed time that is over.
func never(node ast.Node, w When, ofNode bool) string {
	b, ok := node.(*ast.BinaryNode)
	if !ok {
		return ""
	}
	switch b.Operator {
	case "&&", "and":
		if why := never(b.Left, w, ofNode); why != "" {
			return why
		}
		return never(b.Right, w, ofNode)
	case "==":
		name, value := b.Left, b.Right
		if _, swapped := name.(*ast.StringNode); swapped {
			name, value = value, name
		}
		if text, ok := value.(*ast.StringNode); ok && isVariable(name, "phase") {
			return w.neverIn([]string{text.Value}, ofNode)
		}
	case "in":
		if list, ok := b.Right.(*ast.ArrayNode); ok && isVariable(b.Left, "phase") {
			var phases []string
			for _, entry := range list.Nodes {
				text, ok := entry.(*ast.StringNode)
				if !ok {
					return ""
				}
				phases = append(phases, text.Value)
			}
			return w.neverIn(phases, ofNode)
		}
	case "<", "<=":
		if d, ok := literalDuration(b.Right); ok && isVariable(b.Left, "elapsed") && w.Is() == WhenRunningFor && w.For > 0 && d <= w.For && (b.Operator == "<" || d < w.For) {
			return fmt.Sprintf("elapsed is at least %s then", w.For)
		}
	}
	return ""
}

func isVariable(node ast.Node, name string) bool {
	id, ok := node.(*ast.IdentifierNode)
	return ok && id.Value == name
}

// literalDuration is duration("1h").
func literalDuration(node ast.Node) (time.Duration, bool) {
	var name string
	var arguments []ast.Node
	switch n := node.(type) {
	case *ast.BuiltinNode:
		name, arguments = n.Name, n.Arguments
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			name, arguments = id.Value, n.Arguments
		}
	}
	if name != "duration" || len(arguments) != 1 {
		return 0, false
	}
	text, ok := arguments[0].(*ast.StringNode)
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(text.Value)
	return d, err == nil
}

// neverIn says why the phase is none of these when the condition holds.
func (w When) neverIn(wanted []string, ofNode bool) string {
	known, possible := workflowPhases(), w.possible(ofNode)
	if ofNode {
		known = nodePhases()
	}
	for _, phase := range wanted {
		if slices.Contains(possible, phase) {
			return ""
		}
	}
	if len(wanted) == 0 {
		return "the list is empty"
	}
	if !slices.Contains(known, wanted[0]) {
		return "no phase is called " + strict.Quote(wanted[0]) + strict.Suggest(wanted[0], known)
	}
	return "phase is " + strings.Join(possible, " or ") + " then"
}

// possible are the phases in which the condition can hold.
func (w When) possible(ofNode bool) []string {
	switch all := workflowPhases(); w.Is() {
	case WhenPhase:
		return w.Phases
	case WhenQueuedFor:
		return []string{"QUEUED", "UNDEFINED"}
	case WhenFirstFailure:
		return []string{"FAILED", "TIMED_OUT"}
	case WhenRecovered:
		return []string{"SUCCEEDED"}
	case WhenNode, WhenFailureRate, WhenNoSuccessFor:
		return all
	default:
		if ofNode {
			all = nodePhases()
		}
		return slices.DeleteFunc(all, func(p string) bool { return terminal(p) })
	}
}
