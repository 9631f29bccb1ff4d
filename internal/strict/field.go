package strict

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// field is one key of a struct, as its tags say.
type field struct {
	name        string
	doc         string
	index       []int
	kind        reflect.Type
	enum        []string
	fallback    string // of the tag default
	min, max    string
	hasDefault  bool
	required    bool
	unsupported bool
}

// fields are a struct's keys, sorted.
type fields []field

// structOf returns the keys of a struct type that is decoded key by key.
func structOf(t reflect.Type) (fields, bool) {
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[Decoder]()) {
		return nil, false
	}
	var all fields
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" {
			continue
		}
		all = append(all, newField(cmp.Or(name, f.Name), f))
	}
	slices.SortFunc(all, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return all, true
}

func newField(name string, f reflect.StructField) field {
	fallback, hasDefault := f.Tag.Lookup("default")
	made := field{
		name: name, doc: f.Tag.Get("doc"), index: f.Index, kind: f.Type,
		fallback: fallback, hasDefault: hasDefault, min: f.Tag.Get("min"), max: f.Tag.Get("max"),
		required: f.Tag.Get("required") == "true", unsupported: f.Tag.Get("unsupported") == "true",
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		made.enum = strings.Split(enum, ",")
	}
	return made
}

func (fs fields) names() []string {
	names := make([]string, len(fs))
	for i, f := range fs {
		names[i] = f.name
	}
	return names
}

func (fs fields) find(name string) (field, bool) {
	i, ok := slices.BinarySearchFunc(fs, name, func(f field, n string) int { return strings.Compare(f.name, n) })
	if !ok {
		return field{}, false
	}
	return fs[i], true
}

// structs are the fields of every struct type that was decoded: types do not change, and there are
// as many of them as in the program. Nobody changes a list in it.
var structs sync.Map

// fieldsOf is structOf, asked once for each type.
func fieldsOf(t reflect.Type) fields {
	if known, ok := structs.Load(t); ok {
		return known.(fields) //nolint:forcetypeassert // nothing else is ever stored
	}
	fs, _ := structOf(t)
	structs.Store(t, fs)
	return fs
}

// setDefaults sets the defaults of the struct and of the structs in it.
func (d *decoder) setDefaults(dst reflect.Value) {
	for _, f := range fieldsOf(dst.Type()) {
		v := dst.FieldByIndex(f.index)
		if f.hasDefault {
			d.setDefault(v, f)
		} else if v.Kind() == reflect.Struct {
			d.setDefaults(v)
		}
	}
}

// setDefault panics on a default that the field itself would refuse: a mistake in the program.
func (d *decoder) setDefault(dst reflect.Value, f field) {
	alone := &decoder{}
	alone.value(f.name, f.defaultTree(), dst, f)
	if len(alone.problems) > 0 {
		panic(fmt.Sprintf("strict: bad default: %s", alone.problems[0]))
	}
}

// defaultTree is the default as a document would write it.
func (f field) defaultTree() any {
	switch f.kind.Kind() {
	case reflect.Bool:
		return f.fallback == "true"
	case reflect.String:
		return f.fallback
	}
	if n, err := strconv.ParseFloat(f.fallback, 64); err == nil {
		return n
	}
	return f.fallback
}

// structure decodes the keys that are there, and tells those that are unknown or missing.
func (d *decoder) structure(path string, tree any, dst reflect.Value) {
	fs := fieldsOf(dst.Type())
	m, ok := tree.(map[string]any)
	if !ok {
		d.notStructure(path, tree, dst)
		return
	}
	d.setDefaults(dst)
	for _, key := range sorted(m, fs.names()...) {
		f, known := fs.find(key)
		v, given := m[key]
		at := Key(path, key)
		switch {
		case !known:
			d.unknown(at, key, fs)
		case f.unsupported && given:
			d.add(at, Unsupported)
		case v != nil:
			d.value(at, v, dst.FieldByIndex(f.index), f)
		case f.required:
			d.add(at, "required")
		}
	}
	d.validate(path, dst.Addr().Interface())
}

func (d *decoder) notStructure(path string, tree any, dst reflect.Value) {
	if dst.Type() == reflect.TypeFor[notifier.Secret]() {
		d.wrong(path, "{env: NAME} or {file: PATH}", tree) // and never the value: it may be the secret
		return
	}
	d.wrong(path, "a mapping", tree)
}

func (d *decoder) unknown(path, key string, fs fields) {
	if d.full() {
		d.more++
		return
	}
	d.add(path, unknownKey+Suggest(key, fs.supported()))
}

// supported are the keys worth suggesting.
func (fs fields) supported() []string {
	return slices.DeleteFunc(fs.names(), func(name string) bool {
		f, _ := fs.find(name)
		return f.unsupported
	})
}

func (f field) isNumber() bool {
	switch f.kind.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Struct:
		return false
	}
	return true
}

// rangeProblem says what is wrong with a number's size.
func (f field) rangeProblem(n float64) string {
	if least, ok := bound(f.min); ok && n < least {
		return fmt.Sprintf("must be at least %s, not %v", f.min, n)
	}
	if most, ok := bound(f.max); ok && n > most {
		return fmt.Sprintf("must be at most %s, not %v", f.max, n)
	}
	return ""
}

// lengthProblem says what is wrong with a list's length.
func (f field) lengthProblem(n int) string {
	if least, ok := bound(f.min); ok && float64(n) < least {
		return fmt.Sprintf("must have at least %s %s, not %d", f.min, entries(f.min), n)
	}
	if n > f.maxLen() {
		return fmt.Sprintf("must have at most %s %s, not %d", f.max, entries(f.max), n)
	}
	return ""
}

func (f field) maxLen() int {
	if most, ok := bound(f.max); ok {
		return int(most)
	}
	return math.MaxInt
}

// ofEntry is what the tags of a list's field say of each entry.
func (f field) ofEntry() field { return field{enum: f.enum} }

func entries(n string) string {
	if n == "1" {
		return "entry"
	}
	return "entries"
}

func bound(tag string) (float64, bool) {
	n, err := strconv.ParseFloat(tag, 64)
	return n, err == nil
}

// sorted returns the keys of a map and further ones, each once.
func sorted(m map[string]any, further ...string) []string {
	keys := slices.AppendSeq(further, maps.Keys(m))
	slices.Sort(keys)
	return slices.Compact(keys)
}
