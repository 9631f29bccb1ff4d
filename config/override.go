package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// prefix is how the name of a variable that overrides a key begins; double underscores separate
// the keys: FLYTE_NOTIFIER__SERVER__LISTEN.
const (
	prefix    = "FLYTE_NOTIFIER__"
	separator = "__"
)

// variable is an override that was applied.
type variable struct {
	name    string
	path    string
	unknown bool
}

// override returns the tree with the environment's values in it. Names are matched without
// regard to case, and with "_" for "-", against the keys of the schema and the connections of the
// file. A name that matches nothing is set as it is, so that the decoder tells of it.
func (p *parser) override(tree map[string]any, environ []string) map[string]any {
	values := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(strings.ToUpper(name), prefix) {
			values[name] = value
		}
	}
	if tree == nil {
		tree = map[string]any{} // an empty file is all defaults
	}
	schema := Schema(p.reg)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		keys := strings.Split(name[len(prefix):], separator)
		tree = p.set(name, "", tree, schema, keys, values[name])
	}
	return tree
}

// set returns the mapping with the value at the keys. It copies what it changes: YAML's aliases
// share their mappings.
func (p *parser) set(name, path string, tree, schema map[string]any, keys []string, value string) map[string]any {
	key, sub, known := match(tree, schema, keys[0])
	at := strict.Key(path, key)
	if known && len(keys) > 1 {
		inner, _ := tree[key].(map[string]any)
		inner = p.set(name, at, inner, sub, keys[1:], value)
		return with(tree, key, inner)
	}
	p.variables = append(p.variables, variable{name: name, path: at, unknown: !known})
	if !known {
		if strings.HasPrefix(at, "connections") || keys[0] == "" {
			p.add(at, "there is no such key") // the decoder would take it for a new connection
			return tree
		}
		return with(tree, key, value)
	}
	return with(tree, key, p.read(at, sub, value))
}

func with(tree map[string]any, key string, value any) map[string]any {
	changed := map[string]any{key: value}
	for k, v := range tree {
		if k != key {
			changed[k] = v
		}
	}
	return changed
}

// match finds the key that a part of a variable's name means, and the schema of its value.
func match(tree, schema map[string]any, part string) (key string, sub map[string]any, known bool) {
	properties, _ := schema["properties"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if same(key, part) {
			return key, unfold(properties[key]), true
		}
	}
	entries := unfold(schema["additionalProperties"])
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		if same(key, part) && entries != nil {
			return key, entries, true
		}
	}
	return strings.ToLower(part), nil, false
}

func same(key, part string) bool {
	return strings.EqualFold(strings.ReplaceAll(key, "-", "_"), strings.ReplaceAll(part, "-", "_"))
}

// unfold returns a schema; of alternatives the last, which is the one that has keys.
func unfold(schema any) map[string]any {
	s, _ := schema.(map[string]any)
	if alternatives, ok := s["oneOf"].([]any); ok && s["properties"] == nil {
		last, _ := alternatives[len(alternatives)-1].(map[string]any)
		return last
	}
	return s
}

// read is the value as its key wants it: a text as it stands, anything else as YAML. What YAML
// takes for a comment is no absent value, as it would be in an allow list.
func (p *parser) read(at string, schema map[string]any, value string) any {
	if schema["type"] == "string" {
		return value
	}
	parsed, err := strict.YAML([]byte(value))
	if parsed == nil && strings.HasPrefix(strings.TrimSpace(value), "#") {
		return value
	}
	if err != nil {
		p.add(at, err.Error())
		return nil
	}
	return parsed
}
