package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Build makes the notifiers of all connections, which reads their secrets. Notifiers that need no
// connection have one under their own name, the default of their kind. The problems are those of
// secrets that are not there and of notifiers that refuse their config, and never show a secret;
// the connections that could be made are returned in any case.
func (c *Config) Build(reg *notifier.Registry, deps notifier.Deps) (*notifier.Connections, []notifier.Problem) {
	var all []*notifier.Connection
	var problems []notifier.Problem
	add := func(name, path string, m notifier.Manifest, made Connection) {
		n, err := m.New(made.Config, deps)
		if err != nil {
			problems = append(problems, notifier.Problem{Path: path, Text: err.Error()})
			return
		}
		all = append(all, &notifier.Connection{Name: name, Kind: m.Kind, Notifier: n, Config: made.Config, Allow: made.Allow, Rate: made.Rate})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Connections)) {
		made := c.Connections[name]
		path := strict.Key("connections", name) + "." + made.Kind
		m, ok := reg.Find(made.Kind)
		if !ok {
			problems = append(problems, notifier.Problem{Path: path, Text: strict.Unsupported})
			continue
		}
		if missing := missingSecrets(path, reflect.ValueOf(made.Config)); len(missing) > 0 {
			problems = append(problems, missing...)
			continue
		}
		add(name, path, m, made)
	}
	defaults := map[string]string{}
	maps.Copy(defaults, c.Defaults)
	for _, m := range reg.All() {
		if m.Config == nil {
			defaults[m.Kind] = m.Kind
			add(m.Kind, m.Kind, m, Connection{Rate: m.Rate})
		}
	}
	return notifier.NewConnections(all, defaults), problems
}

// missingSecrets tries every reference in a notifier's config, so that each that leads nowhere is
// told with its path.
func missingSecrets(path string, v reflect.Value) []notifier.Problem {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.IsValid() && v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String {
		return missingEntries(path, v)
	}
	if !v.IsValid() || v.Kind() != reflect.Struct {
		return nil
	}
	if secret, ok := v.Interface().(notifier.Secret); ok {
		if secret.IsZero() {
			return nil // an optional one
		}
		if _, err := secret.Value(); err != nil {
			return []notifier.Problem{{Path: path, Text: err.Error()}}
		}
		return nil
	}
	var problems []notifier.Problem
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case f.Anonymous && name == "": // its keys are the struct's own
			problems = append(problems, missingSecrets(path, v.FieldByIndex(f.Index))...)
		case name != "":
			problems = append(problems, missingSecrets(strict.Key(path, name), v.FieldByIndex(f.Index))...)
		}
	}
	return problems
}

// missingEntries does so for what a map holds, in the order of its keys.
func missingEntries(path string, m reflect.Value) []notifier.Problem {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	var problems []notifier.Problem
	for _, key := range keys {
		problems = append(problems, missingSecrets(strict.Key(path, key.String()), m.MapIndex(key))...)
	}
	return problems
}
