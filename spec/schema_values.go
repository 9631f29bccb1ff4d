package spec

import (
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode"
)

// What JSON Schemas say of texts, for editors to show a mistake where it is made. A pattern is one of both ECMAScript
// and RE2. Parsers ask further: whether a zone is known, and a day in its month.
const (
	clockPattern = `([01]?[0-9]|2[0-3]):[0-5][0-9]`
	zonePattern  = `[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*`

	identifierPattern = `^[A-Za-z0-9_.-]*$`
	rulePattern       = `^[^|\x00-\x1f\x7f-\x9f]*$`
	namePattern       = `^[^/|\x00-\x1f\x7f-\x9f]*$` // of a subscription

	// of path.Match: characters, escaped ones, and classes of characters or ranges
	globPattern = `^([^\\\[]|` + globEscaped + `|\[(\^` + globChar + globRange + `|([^\\\]^-]|` + globEscaped + `)` + globRange + `)(` + globChar + globRange + `)*\])*$`
	globEscaped = `\\[\s\S]`
	globChar    = `([^\\\]-]|` + globEscaped + `)` // in a class
	globRange   = `(-` + globChar + `)?`

	instantPattern = `^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01]?[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]+)?(Z|[+-]([01][0-9]|2[0-4]):([0-5][0-9]|60))$`
)

// text is a text that the pattern matches.
func text(pattern string) map[string]any { return map[string]any{"type": "string", "pattern": pattern} }

// JSONSchema describes the text form.
func (*Daily) JSONSchema() map[string]any {
	s := text(`^` + clockPattern + `( (` + zonePattern + `)?)?$`)
	s["not"] = map[string]any{"pattern": ` [Ll][Oo][Cc][Aa][Ll]$`}
	return s
}

// JSONSchema describes the text form.
func (*Span) JSONSchema() map[string]any {
	return text(`^\s*` + clockPattern + `\s*-\s*(` + clockPattern + `|24:00)\s*$`)
}

// JSONSchema describes the text form.
func (*Zone) JSONSchema() map[string]any {
	s := text(`^(` + zonePattern + `)?$`)
	s["not"] = map[string]any{"pattern": `^[Ll][Oo][Cc][Aa][Ll]$`}
	return s
}

// JSONSchema describes the text form: mon, which editors propose, or another that is as good.
func (*Weekday) JSONSchema() map[string]any {
	days := append(weekdays()[1:], weekdays()[0])
	var all []string
	for i, day := range weekdays() {
		all = append(all, anyCase(day), anyCase(time.Weekday(i).String()))
	}
	return map[string]any{"type": "string", "anyOf": []any{
		map[string]any{"enum": list(days)},
		map[string]any{"pattern": "^(" + strings.Join(all, "|") + ")$"},
	}}
}

// anyCase is a pattern of a word in upper and lower case.
func anyCase(word string) string {
	var b strings.Builder
	for _, r := range word {
		fmt.Fprintf(&b, "[%c%c]", unicode.ToUpper(r), unicode.ToLower(r))
	}
	return b.String()
}

// ruleSchema adds to a rule's schema what the types of its document do not say. required are the names of rules in
// subscriptions.
func ruleSchema(rule map[string]any, required bool) {
	restrict(rule, "name", map[string]any{"pattern": rulePattern, "maxLength": float64(longestName)})
	if required {
		restrict(rule, "name", map[string]any{"minLength": 1.0})
		rule["required"] = append(rule["required"].([]any), "name")
	}
	restrict(rule, "if", map[string]any{"maxLength": float64(maxConditionText)})
	positive(property(rule, "repeat"), "every")
	by := property(property(rule, "group"), "by")
	by["items"] = map[string]any{"type": "string", "anyOf": []any{
		map[string]any{"enum": list(GroupKeys())},
		map[string]any{"pattern": `^labels\.[\s\S]`},
	}}
}

// matchSchema adds that a match has patterns.
func matchSchema(match map[string]any) {
	for _, key := range []string{"project", "domain", "workflow", "launch_plan", "user"} {
		restrict(match, key, map[string]any{"pattern": globPattern})
	}
	property(match, "labels")["additionalProperties"] = text(globPattern)
}

// identifierSchema adds that a key is a name in Flyte.
func identifierSchema(s map[string]any, key string) {
	restrict(s, key, map[string]any{"pattern": identifierPattern, "maxLength": float64(maxName)})
}

// positive adds that a duration is longer than nothing.
func positive(s map[string]any, key string) {
	restrict(s, key, map[string]any{"not": map[string]any{"pattern": `^[^1-9]*$`}})
}

// restrict adds keywords to a property.
func restrict(s map[string]any, key string, keywords map[string]any) {
	maps.Copy(property(s, key), keywords)
}

func list(texts []string) []any {
	all := make([]any, 0, len(texts))
	for _, t := range texts {
		all = append(all, t)
	}
	return all
}
