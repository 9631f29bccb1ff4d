package spec

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/flyte-notifier/flyte-notifier/internal/memo"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// What an `if` may cost. Anyone who may start a task may write one, and it is evaluated beside
// everybody else's.
const (
	maxConditionText  = 4 << 10     // bytes
	maxConditionNodes = 1_000       // of its syntax tree
	memoryBudget      = 100_000     // entries of lists it makes
	maxConditionTime  = time.Second // of one evaluation, looked at in each round of a loop
)

// functions are the builtins of expr that an `if` may call: those that only look. Left out are
// the clock, and whatever builds values out of values: a few doublings of a list or a text would
// take all the server's memory.
func functions() []string {
	return []string{
		"all", "none", "any", "one", "filter", "find", "findIndex", "findLast", "findLastIndex", "count", "sum",
		"len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "trimPrefix", "trimSuffix",
		"upper", "lower", "split", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "max", "min", "mean", "median",
		"duration", "date", "first", "last", "get", "keys", "values",
	}
}

// Condition is a rule's `if`, compiled. It is safe for concurrent use, and its text form is what
// the user wrote.
type Condition struct {
	text       string
	program    *vm.Program
	readsInput bool
	broken     error // why a stored condition no longer compiles
}

// compiled is what an `if` came to. Neither part is ever changed.
type compiled struct {
	condition *Condition
	err       error
}

// conditions remembers them, since each execution of a workflow brings the same ones.
var conditions = memo.New(256, func(text string) compiled {
	c, err := compile(text)
	return compiled{c, err}
})

// Compile compiles an `if`. The error names the fault, and its line and column.
func Compile(text string) (*Condition, error) {
	c := conditions.Of(text)
	return c.condition, c.err
}

func compile(text string) (c *Condition, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("cannot be compiled: %v", r)
		}
	}()
	if len(text) > maxConditionText {
		return nil, fmt.Errorf("must be at most %d bytes, not %d", maxConditionText, len(text))
	}
	guard := &guard{}
	options := []expr.Option{
		expr.Env(environment{}), expr.AsBool(), expr.Optimize(false), expr.MaxNodes(maxConditionNodes),
		expr.Patch(guard), expr.DisableAllBuiltins(),
	}
	for _, name := range functions() {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := expr.Compile(text, options...)
	switch {
	case guard.err != nil:
		return nil, guard.err
	case err != nil:
		return nil, explain(err)
	}
	return &Condition{text: text, program: program, readsInput: guard.readsInput}, nil
}

// Eval says whether the condition holds. The error is the condition's own: a field of an input
// that is not there, a result that is no boolean, too much work.
func (c *Condition) Eval(f Facts) (bool, error) {
	if c.broken != nil {
		return false, c.broken
	}
	env, err := newEnvironment(f, c.readsInput)
	if err != nil {
		return false, err
	}
	deadline := time.Now().Add(maxConditionTime)
	env.Step = func() bool {
		if time.Now().After(deadline) {
			panic(fmt.Sprintf("takes longer than %s", maxConditionTime))
		}
		return true
	}
	machine := vm.VM{MemoryBudget: memoryBudget}
	out, err := machine.Run(c.program, env)
	if err != nil {
		return false, explain(err)
	}
	holds, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("must come to true or false, not to %T", out)
	}
	return holds, nil
}

// String is the condition as it was written.
func (c *Condition) String() string { return c.text }

// MarshalText writes the condition as it was written.
func (c *Condition) MarshalText() ([]byte, error) { return []byte(c.text), nil }

// UnmarshalText compiles what MarshalText wrote. It never fails: a condition that another version
// stored and this one refuses is the error of each Eval, so that the other rules go on.
func (c *Condition) UnmarshalText(text []byte) error {
	condition, err := Compile(string(text))
	if err != nil {
		condition = &Condition{text: string(text), broken: fmt.Errorf("compile if: %w", err)}
	}
	*c = *condition
	return nil
}

// guard looks at a condition's syntax tree while it is compiled.
type guard struct {
	readsInput bool
	err        error
}

// refuse keeps the first fault.
func (g *guard) refuse(err error) {
	if g.err == nil {
		g.err = err
	}
}

// Visit refuses what would get around the limits, and puts a look at the clock into each loop.
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.VariableDeclaratorNode:
		g.refuse(errors.New("let is not supported"))
	case *ast.IdentifierNode:
		if n.Value == "$env" || n.Value == stepName {
			g.refuse(fmt.Errorf("unknown variable %s", strict.Quote(n.Value)))
		}
		g.readsInput = g.readsInput || n.Value == "inputs"
	case *ast.BuiltinNode: // those with a predicate are not among the builtins that can be disabled
		if !slices.Contains(functions(), n.Name) {
			g.refuse(fmt.Errorf("unknown function %s", strict.Quote(n.Name)))
		}
	case *ast.PredicateNode:
		step := &ast.CallNode{Callee: &ast.IdentifierNode{Value: stepName}}
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{step, n.Node}}
	}
}

// explain puts expr's errors into one line and our words, and names what was probably meant.
func explain(err error) error {
	at, ok := errors.AsType[*file.Error](err)
	if !ok {
		if got, notBool := strings.CutPrefix(err.Error(), "expected bool, but got "); notBool {
			return fmt.Errorf("must come to true or false, not to %s", got)
		}
		return err
	}
	text := at.Message
	if m := regexp.MustCompile(`^unknown name (\S+)$`).FindStringSubmatch(text); m != nil {
		text = "unknown variable " + strict.Quote(m[1]) + strict.Suggest(m[1], append(Variables(), functions()...))
	}
	if m := regexp.MustCompile(`^invalid operation: bool\((.+)\)$`).FindStringSubmatch(text); m != nil {
		return fmt.Errorf("must come to true or false, not to %s", m[1])
	}
	if m := regexp.MustCompile(`^type (\S+) has no (field|method) (\S+)$`).FindStringSubmatch(text); m != nil {
		text = "unknown field " + strict.Quote(m[3]) + strict.Suggest(m[3], fieldNames(reflect.TypeFor[errorEnvironment]()))
	}
	return fmt.Errorf("%s (line %d, column %d)", text, max(at.Line, 1), at.Column+1)
}
