package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

// functions are what templates may call, beside and, or, not, len, index and slice. The text worked on
// comes last, so that pipes read well: {{.Error | trunc 200 | upper}}. Anything may stand where a
// text is expected; lists and maps become JSON.
//
//	upper, lower, title, trim TEXT    in upper case, in lower case, Each Word Raised, without outer white space
//	trunc N TEXT                      the first N characters; the last -N where N is negative
//	replace OLD NEW TEXT              every OLD replaced
//	indent N TEXT                     N spaces before each line
//	quote TEXT                        in double quotes, escaped as in Go
//	contains, hasPrefix, hasSuffix PART TEXT
//	split SEPARATOR TEXT, join SEPARATOR LIST
//	default FALLBACK VALUE            FALLBACK where VALUE is empty, zero or absent
//	duration VALUE                    2h3m4s, of a duration, of Go's text for one, or of seconds
//	date LAYOUT ZONE TIME             Go's layout in an IANA zone, of a time or of RFC 3339 text
//	toJson VALUE                      as JSON
//	eq, ne, lt, le, gt, ge A B        also between whole and broken numbers, and durations and "10m"
//	raw TEXT                          TEXT as it is, where what actions print is escaped; the last of its action
//	print, println, printf, html, js, urlquery   as in Go; printf without * and [n]
func (b *budget) functions() template.FuncMap {
	return template.FuncMap{
		showFunction:  b.show,
		roundFunction: b.round,
		"upper":       b.mapping(strings.ToUpper),
		"lower":       b.mapping(strings.ToLower),
		"title":       b.mapping(titled),
		"trim":        b.mapping(strings.TrimSpace),
		"quote":       b.mapping(strconv.Quote),
		"trunc":       b.trunc,
		"replace":     b.replace,
		"indent":      b.indent,
		"contains":    b.testing(strings.Contains),
		"hasPrefix":   b.testing(strings.HasPrefix),
		"hasSuffix":   b.testing(strings.HasSuffix),
		"split":       b.split,
		"join":        b.join,
		"default":     fallback,
		"duration":    durationOf,
		"date":        b.date,
		"toJson":      b.json,
		"eq":          b.eq,
		"ne":          b.ne,
		"lt":          b.ordered(func(c int) bool { return c < 0 }),
		"le":          b.ordered(func(c int) bool { return c <= 0 }),
		"gt":          b.ordered(func(c int) bool { return c > 0 }),
		"ge":          b.ordered(func(c int) bool { return c >= 0 }),
		"print":       b.print,
		"println":     b.println,
		"printf":      b.printf,
		"html":        b.escaping(template.HTMLEscapeString),
		"js":          b.escaping(template.JSEscapeString),
		"urlquery":    b.escaping(func(s string) string { return template.URLQueryEscaper(s) }),
		rawName:       b.text,
		rawFunction:   b.raw,
	}
}

// functionNames are all names that templates may call.
var functionNames = slices.Sorted(slices.Values(append(
	slices.Collect(maps.Keys((&budget{}).functions())), "and", "or", "not", "len", "index", "slice")))

// text is any value as templates print it.
func (b *budget) text(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return b.made(v)
	case time.Duration:
		return humanize(v), nil
	case time.Time:
		return Time{v}.String(), nil
	case float64:
		return b.json(v)
	case fmt.Stringer:
		return b.made(v.String())
	case error:
		return b.made(v.Error())
	}
	switch reflect.TypeOf(v).Kind() {
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Struct, reflect.Float32:
		return b.json(v)
	}
	return b.made(fmt.Sprint(v))
}

func (b *budget) json(v any) (string, error) {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return b.made(fmt.Sprint(v)) // NaN and infinity
	}
	return b.made(strings.TrimSuffix(out.String(), "\n"))
}

// texts are several values as text.
func (b *budget) texts(values ...any) ([]string, error) {
	all := make([]string, len(values))
	for i, v := range values {
		var err error
		if all[i], err = b.text(v); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (b *budget) mapping(f func(string) string) func(any) (string, error) {
	return func(v any) (string, error) {
		s, err := b.text(v)
		if err != nil {
			return "", err
		}
		return b.made(f(s))
	}
}

// escaping is mapping for functions of several values, which are printed first.
func (b *budget) escaping(f func(string) string) func(...any) (string, error) {
	return func(values ...any) (string, error) {
		s, err := b.print(values...)
		if err != nil {
			return "", err
		}
		return b.made(f(s))
	}
}

func (b *budget) testing(f func(s, part string) bool) func(part, v any) (bool, error) {
	return func(part, v any) (bool, error) {
		both, err := b.texts(v, part)
		return err == nil && f(both[0], both[1]), err
	}
}

func (b *budget) trunc(n int, v any) (string, error) {
	s, err := b.text(v)
	length := utf8.RuneCountInString(s)
	switch {
	case err != nil:
		return "", err
	case n >= 0 && n < length:
		return string([]rune(s)[:n]), nil
	case n < 0 && n > -length:
		return string([]rune(s)[length+n:]), nil
	}
	return s, nil
}

func (b *budget) replace(from, to, v any) (string, error) {
	all, err := b.texts(from, to, v)
	if err != nil {
		return "", err
	}
	size := len(all[2]) + (strings.Count(all[2], all[0])+1)*len(all[1])
	if err := b.spend(size); err != nil {
		return "", err
	}
	return b.made(strings.ReplaceAll(all[2], all[0], all[1]))
}

func (b *budget) indent(n int, v any) (string, error) {
	if n < 0 || n > 100 {
		return "", fmt.Errorf("%d is not between 0 and 100", n)
	}
	pad := strings.Repeat(" ", n)
	s, err := b.replace("\n", "\n"+pad, v)
	if err != nil {
		return "", err
	}
	return b.made(pad + s)
}

func (b *budget) split(separator, v any) ([]string, error) {
	both, err := b.texts(v, separator)
	if err != nil {
		return nil, err
	}
	const header = 16 // bytes of a string's own
	parts := strings.Split(both[0], both[1])
	return parts, b.spend(header * len(parts))
}

func (b *budget) join(separator, list any) (string, error) {
	values := reflect.ValueOf(list)
	if list == nil {
		return "", nil
	}
	if kind := values.Kind(); kind != reflect.Slice && kind != reflect.Array {
		return "", fmt.Errorf("%T is not a list", list)
	}
	between, err := b.text(separator)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for i := 0; i < values.Len() && out.Len() <= maxText; i++ {
		s, err := b.text(values.Index(i).Interface())
		if err != nil {
			return "", err
		}
		if i > 0 {
			out.WriteString(between)
		}
		out.WriteString(s)
	}
	return b.made(out.String())
}

// fallback is v, or instead of what is empty.
func fallback(instead, v any) any {
	if truth, ok := template.IsTrue(v); v == nil || ok && !truth {
		return instead
	}
	return v
}

// titled raises the first letter of each word.
func titled(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		was := start
		start = !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
		if was {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}
