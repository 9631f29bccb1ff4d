package spec

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// Value is a variable of a condition with what it is.
type Value struct {
	Name  string // as it is written: elapsed, labels["team"], error.message
	Value any    // nil: it is not there
}

// Variables returns the variables that the condition reads, each once and as far as it says which part of them:
// labels["team"] and not labels. They are in the order in which they are written. A condition that no longer
// compiles reads none.
func (c *Condition) Variables() []string {
	var names []string
	for _, p := range c.reads() {
		names = append(names, p.String())
	}
	return names
}

// Values returns the variables with their values for these facts. The error is that of Eval.
func (c *Condition) Values(f Facts) ([]Value, error) {
	if c.broken != nil {
		return nil, c.broken
	}
	env, err := newEnvironment(f, c.readsInput)
	if err != nil {
		return nil, err
	}
	var values []Value
	for _, p := range c.reads() {
		values = append(values, Value{Name: p.String(), Value: p.of(reflect.ValueOf(*env))})
	}
	return values, nil
}

func (c *Condition) reads() []place {
	if c.program == nil {
		return nil
	}
	r := &reader{}
	node := c.program.Node()
	ast.Walk(&node, r)
	var all []place
	for _, found := range r.found {
		if !slices.ContainsFunc(all, func(p place) bool { return slices.Equal(p, found) }) {
			all = append(all, found)
		}
	}
	return all
}

// place is where a value is: a variable's name, then the keys below it.
type place []string

// String is the place as a condition names it.
func (p place) String() string {
	var b strings.Builder
	b.WriteString(p[0])
	for _, key := range p[1:] {
		if p[0] == "labels" || strict.Key("", key) != key {
			b.WriteString("[" + strconv.Quote(key) + "]")
		} else {
			b.WriteString("." + key)
		}
	}
	return b.String()
}

// of is the value there, or nil.
func (p place) of(v reflect.Value) any {
	for _, key := range p {
		for v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		switch v.Kind() {
		case reflect.Struct:
			v = v.FieldByNameFunc(func(name string) bool {
				f, _ := v.Type().FieldByName(name)
				return f.Tag.Get("expr") == key
			})
		case reflect.Map:
			element := v.MapIndex(reflect.ValueOf(key))
			if !element.IsValid() && v.Type().Elem().Kind() == reflect.String {
				element = reflect.ValueOf("") // an absent label
			}
			v = element
		default:
			return nil
		}
	}
	if !v.IsValid() {
		return nil
	}
	return v.Interface()
}

// reader gathers what a syntax tree reads. It is walked from the leaves up: a member comes behind what it is
// of, and takes its place.
type reader struct{ found []place }

// Visit adds a variable, or a part of the one before.
func (r *reader) Visit(node *ast.Node) {
	if _, again := (*node).(*ast.ChainNode); again {
		return
	}
	p := placeNamed(*node)
	if len(p) == 0 || p[0] == stepName || !slices.Contains(Variables(), p[0]) {
		return
	}
	if len(p) > 1 && len(r.found) > 0 && slices.Equal(r.found[len(r.found)-1], p[:len(p)-1]) {
		r.found = r.found[:len(r.found)-1]
	}
	r.found = append(r.found, p)
}

// placeNamed is the place that a node names; nil for one that names none, or only once it is evaluated.
func placeNamed(node ast.Node) place {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return place{n.Value}
	case *ast.ChainNode:
		return placeNamed(n.Node)
	case *ast.MemberNode:
		key, constant := n.Property.(*ast.StringNode)
		if of := placeNamed(n.Node); of != nil && constant {
			return append(slices.Clone(of), key.Value)
		}
	}
	return nil
}
