// Package strict decodes what users write, as YAML, JSON or a protobuf Struct, into Go structs:
// no unknown keys, no wrong types, and every problem at once with its path. The same structs and
// tags give the JSON Schema.
//
// Nothing here knows what is decoded: specs, the server's config and each notifier's own structs
// go through the same door. Tags of a field are json (the key), doc, required:"true", enum:"a,b",
// default:"x", min, max (of a number, or of a list's length) and unsupported:"true" (a key that is
// known and refused).
package strict

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// maxProblems is how many problems are told of one document; the rest are counted.
const maxProblems = 100

// Unsupported is the text of the problem at a key whose feature is known but not built.
const Unsupported = "not supported by this version"

// unknownKey is how the problem at an unknown key starts.
const unknownKey = "unknown key"

// Decoder is a type that decodes itself, such as a union. DecodeStrict returns its problems with
// paths relative to the value.
type Decoder interface {
	DecodeStrict(tree any) []notifier.Problem
}

// Decode fills dst, a pointer, from a tree of map[string]any, []any, string, bool, numbers and
// nil, and returns every problem: in the order of lists and of sorted keys. A null counts as an
// absent key. Defaults are set first; keys absent keep them. Values that have a method
// Validate, returning an error or a []notifier.Problem, are asked once they are decoded.
func Decode(tree, dst any) []notifier.Problem {
	d := &decoder{}
	d.value("", tree, reflect.ValueOf(dst).Elem(), field{})
	return d.result()
}

// Limit cuts a list of problems to those worth reading, the last of them counting the rest.
func Limit(problems []notifier.Problem) []notifier.Problem {
	d := &decoder{}
	for _, p := range problems {
		d.add(p.Path, p.Text)
	}
	return d.result()
}

// Sort puts problems in the order of their paths, entries of lists by number, those of the whole
// document last.
func Sort(problems []notifier.Problem) {
	slices.SortStableFunc(problems, func(a, b notifier.Problem) int {
		if (a.Path == "") != (b.Path == "") {
			return strings.Compare(b.Path, a.Path)
		}
		return slices.CompareFunc(steps(a.Path), steps(b.Path), func(x, y string) int {
			return cmp.Or(cmp.Compare(ordinal(x), ordinal(y)), strings.Compare(x, y))
		})
	})
}

// Under returns the problems with their paths below the given one.
func Under(path string, problems []notifier.Problem) []notifier.Problem {
	below := make([]notifier.Problem, len(problems))
	for i, p := range problems {
		below[i] = notifier.Problem{Path: join(path, p.Path), Text: p.Text}
	}
	return below
}

// Key is the path of a map's key: a.b, or a["b c"] where b is not a plain word.
func Key(path, key string) string {
	if !plain(key) {
		return path + "[" + Quote(key) + "]"
	}
	return join(path, key)
}

// Index is the path of a list's entry.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// Quote quotes a text of the user's for a problem, cut to a readable length.
func Quote(s string) string {
	const longest = 64
	if len(s) > longest {
		return strconv.Quote(strings.ToValidUTF8(s[:longest], "")) + "..."
	}
	return strconv.Quote(s)
}

// join puts a relative path behind another one.
func join(path, rest string) string {
	if path == "" || rest == "" || rest[0] == '[' {
		return path + rest
	}
	return path + "." + rest
}

// steps splits a path into its keys and numbers.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// ordinal is a step's number in its list; a key has none.
func ordinal(step string) int {
	if n, err := strconv.Atoi(step); err == nil {
		return n
	}
	return -1
}

// plain says whether a key reads well in a path without quotes.
func plain(key string) bool {
	const longest = 64
	return key != "" && len(key) <= longest && !strings.ContainsFunc(key, func(r rune) bool {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !word && r != '_' && r != '-'
	})
}

// decoder gathers the problems of one document.
type decoder struct {
	problems []notifier.Problem
	seen     map[notifier.Problem]bool
	more     int
}

func (d *decoder) add(path, text string) {
	p := notifier.Problem{Path: path, Text: text}
	switch {
	case d.seen[p]:
	case d.full():
		d.more++
	default:
		if d.seen == nil {
			d.seen = map[notifier.Problem]bool{}
		}
		d.seen[p] = true
		d.problems = append(d.problems, p)
	}
}

// full says that further problems are only counted, so that their texts need no work.
func (d *decoder) full() bool { return len(d.problems) >= maxProblems }

func (d *decoder) result() []notifier.Problem {
	if d.more > 0 {
		return append(d.problems, notifier.Problem{Text: fmt.Sprintf("and %d more problems", d.more)})
	}
	return d.problems
}

// told says whether a value at the path, or below it, is known to be wrong.
func (d *decoder) told(path string) bool {
	for p := range d.seen {
		rest, below := strings.CutPrefix(p.Path, path)
		if below && (rest == "" || path == "" || rest[0] == '.' || rest[0] == '[') && !aside(p) {
			return true
		}
	}
	return false
}

// aside says whether a problem is about a key that should not be there at all, so that it says
// nothing about the others.
func aside(p notifier.Problem) bool {
	return p.Text == Unsupported || strings.HasPrefix(p.Text, unknownKey)
}
