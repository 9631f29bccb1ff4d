package render

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxWidth is the largest width and precision that printf takes.
const maxWidth = 1000

// print joins the values, with a space between two of which neither is a text, as Go's does.
func (b *budget) print(values ...any) (string, error) {
	var out strings.Builder
	afterText := true
	for i, v := range values {
		_, isText := v.(string)
		if i > 0 && !isText && !afterText {
			out.WriteByte(' ')
		}
		afterText = isText
		s, err := b.text(v)
		if err != nil {
			return "", err
		}
		if out.WriteString(s); out.Len() > maxText {
			break
		}
	}
	return b.made(out.String())
}

func (b *budget) println(values ...any) (string, error) {
	all, err := b.texts(values...)
	if err != nil {
		return "", err
	}
	return b.made(strings.Join(all, " ") + "\n")
}

// printf is Go's, one verb at a time so that it can stop: an argument is used once.
func (b *budget) printf(format string, values ...any) (string, error) {
	var out strings.Builder
	for format != "" && out.Len() <= maxText {
		literal, rest, found := strings.Cut(format, "%")
		out.WriteString(literal)
		if !found {
			format = ""
			break
		}
		verb, err := firstVerb(rest)
		if err != nil {
			return "", err
		}
		format = rest[len(verb):]
		if verb == "%" {
			out.WriteByte('%')
			continue
		}
		if len(values) == 0 {
			return "", fmt.Errorf("no value for %%%s", verb)
		}
		s, err := b.made(fmt.Sprintf("%"+verb, b.formatted(values[0])))
		if err != nil {
			return "", err
		}
		out.WriteString(s)
		values = values[1:]
	}
	if format == "" && len(values) > 0 {
		return "", fmt.Errorf("%d values too many", len(values))
	}
	return b.made(out.String())
}

// formatted is the value as Sprintf gets it: texts no longer than any may be, what is absent "".
func (b *budget) formatted(v any) any {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return cut(v, maxText)
	}
	return v
}

// firstVerb is the verb at the start of s, with flags, width and precision: "-10.3f".
func firstVerb(s string) (string, error) {
	i := len(s) - len(strings.TrimLeft(s, "+-# 0"))
	for range 2 { // width, then .precision
		digits := len(s[i:]) - len(strings.TrimLeft(s[i:], "0123456789"))
		if n, err := strconv.Atoi("0" + s[i:i+digits]); err != nil || n > maxWidth {
			return "", fmt.Errorf("width over %d", maxWidth)
		}
		if i += digits; i < len(s) && s[i] == '.' {
			i++
		} else {
			break
		}
	}
	switch {
	case i >= len(s):
		return "", errors.New("% without a verb")
	case !strings.ContainsRune("vTtbcdoOqxXUeEfFgGs%", rune(s[i])):
		return "", fmt.Errorf("unknown verb %%%s", cutBytes(s, i+4))
	}
	return s[:i+1], nil
}
