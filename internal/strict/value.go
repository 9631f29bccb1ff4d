package strict

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// value decodes a tree that is there. A null comes here only from a list or map, where it is no
// absent key but a wrong value.
func (d *decoder) value(path string, tree any, dst reflect.Value, f field) {
	if own, ok := dst.Addr().Interface().(Decoder); ok {
		for _, p := range Under(path, own.DecodeStrict(tree)) {
			d.add(p.Path, p.Text)
		}
		return
	}
	if dst.Type() == reflect.TypeFor[time.Duration]() {
		dst = dst.Addr().Convert(reflect.TypeFor[*Duration]()).Elem()
	}
	if text, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(path, tree, text)
		return
	}
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		d.value(path, tree, dst.Elem(), f)
	case reflect.Interface:
		if tree != nil {
			dst.Set(reflect.ValueOf(tree))
		}
	case reflect.Struct:
		d.structure(path, tree, dst)
	case reflect.Map:
		d.mapping(path, tree, dst)
	case reflect.Slice:
		d.list(path, tree, dst, f)
	default:
		d.scalar(path, tree, dst, f)
	}
}

// text decodes through the type's own text form. A number is offered as its text, since the
// type's own error tells more ("5" is a duration without a unit), but is never taken.
func (d *decoder) text(path string, tree any, dst encoding.TextUnmarshaler) {
	s, ok := tree.(string)
	n, isNumber := number(tree)
	if isNumber {
		s = strconv.FormatFloat(n, 'g', -1, 64)
	}
	if !ok && !isNumber {
		d.wrong(path, "a string", tree)
		return
	}
	if err := dst.UnmarshalText([]byte(s)); err != nil {
		d.add(path, err.Error())
	} else if isNumber {
		d.wrong(path, "a string", tree)
	}
}

func (d *decoder) mapping(path string, tree any, dst reflect.Value) {
	m, ok := tree.(map[string]any)
	if !ok {
		d.wrong(path, "a mapping", tree)
		return
	}
	dst.Set(reflect.MakeMapWithSize(dst.Type(), len(m)))
	for _, key := range sorted(m) {
		elem := reflect.New(dst.Type().Elem()).Elem()
		d.value(Key(path, key), m[key], elem, field{})
		dst.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), elem)
	}
}

func (d *decoder) list(path string, tree any, dst reflect.Value, f field) {
	l, ok := tree.([]any)
	if !ok {
		d.wrong(path, "a list", tree)
		return
	}
	if text := f.lengthProblem(len(l)); text != "" {
		d.add(path, text)
		if len(l) > f.maxLen() {
			return
		}
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(l), len(l)))
	for i, entry := range l {
		d.value(Index(path, i), entry, dst.Index(i), f.ofEntry())
	}
}

// scalar decodes a text, a boolean or a number.
func (d *decoder) scalar(path string, tree any, dst reflect.Value, f field) {
	switch dst.Kind() {
	case reflect.String:
		s, ok := tree.(string)
		if !ok {
			d.wrong(path, "a string", tree)
			return
		}
		if len(f.enum) > 0 && !slices.Contains(f.enum, s) {
			d.add(path, "must be one of "+strings.Join(f.enum, ", ")+", not "+Quote(s)+Suggest(s, f.enum))
			return
		}
		dst.SetString(s)
	case reflect.Bool:
		b, ok := tree.(bool)
		if !ok {
			d.wrong(path, "true or false", tree)
			return
		}
		dst.SetBool(b)
	default:
		d.number(path, tree, dst, f)
	}
}

func (d *decoder) number(path string, tree any, dst reflect.Value, f field) {
	n, ok := number(tree)
	whole := !dst.CanFloat()
	switch {
	case !ok && whole:
		d.wrong(path, "a whole number", tree)
		return
	case !ok:
		d.wrong(path, "a number", tree)
		return
	case math.IsNaN(n) || math.IsInf(n, 0):
		d.add(path, "must be a finite number")
		return
	case whole && n != math.Trunc(n):
		d.add(path, fmt.Sprintf("must be a whole number, not %v", n))
		return
	case dst.CanUint() && n < 0:
		d.add(path, "must not be negative")
		return
	}
	if text := f.rangeProblem(n); text != "" {
		d.add(path, text)
		return
	}
	if !setNumber(dst, n) {
		d.add(path, fmt.Sprintf("must be a number nearer to zero than %v", n))
	}
}

// setNumber stores n, unless the type cannot hold it. Whole numbers beyond 2^53 are refused: a
// protobuf Struct has rounded them.
func setNumber(dst reflect.Value, n float64) bool {
	const exact = 1 << 53
	switch {
	case dst.CanFloat():
		dst.SetFloat(n)
		return true
	case math.Abs(n) > exact:
		return false
	case dst.CanInt():
		dst.SetInt(int64(n))
		return !dst.OverflowInt(int64(n))
	case dst.CanUint():
		dst.SetUint(uint64(n))
		return !dst.OverflowUint(uint64(n))
	}
	panic(fmt.Sprintf("strict: a field of type %s cannot be decoded", dst.Type()))
}

// number returns the tree's number, if it is one.
func number(tree any) (float64, bool) {
	if n, ok := tree.(json.Number); ok {
		v, err := n.Float64()
		return v, err == nil || math.IsInf(v, 0)
	}
	v := reflect.ValueOf(tree)
	switch {
	case !v.IsValid():
		return 0, false
	case v.CanFloat():
		return v.Float(), true
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	}
	return 0, false
}

func (d *decoder) wrong(path, want string, tree any) {
	d.add(path, "must be "+want+", not "+Name(tree))
}

// Name says what a tree is, as problems put it: "a string", "a mapping", "null".
func Name(tree any) string {
	switch tree.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case json.Number:
		return "a number"
	}
	if _, ok := number(tree); ok {
		return "a number"
	}
	return fmt.Sprintf("a %T", tree)
}

// validate asks a decoded value, and leaves out what follows from a problem told already.
func (d *decoder) validate(path string, v any) {
	var found []notifier.Problem
	switch v := v.(type) {
	case interface{ Validate() []notifier.Problem }:
		found = v.Validate()
	case interface{ Validate() error }:
		if err := v.Validate(); err != nil {
			found = []notifier.Problem{{Text: err.Error()}}
		}
	}
	for _, p := range Under(path, found) {
		if !d.told(p.Path) {
			d.add(p.Path, p.Text)
		}
	}
}
