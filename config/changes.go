package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// reloaded are the keys that a server takes up while it runs; it was built with all others. What is below
// them is among them.
func reloaded() []string {
	return []string{"connections", "defaults", "delivery", "ops", "retention", "subscriptions", "watch.allow_cross_project"}
}

// Changes are the keys whose values differ between two configs, sorted: "connections.team-slack",
// "watch.interval".
type Changes struct {
	Live    []string // that a running server takes up
	Restart []string // that need a restart
}

// Changes compares the config with the next one. What both say by default is the same as if they wrote it.
func (c *Config) Changes(next *Config) (all Changes) {
	for _, key := range differences(reflect.ValueOf(*c), reflect.ValueOf(*next)) {
		if slices.ContainsFunc(reloaded(), func(top string) bool { return below(key, top) }) {
			all.Live = append(all.Live, key)
		} else {
			all.Restart = append(all.Restart, key)
		}
	}
	return all
}

// differences are the keys of two configs that differ, two levels deep: a connection is one key.
func differences(a, b reflect.Value) (keys []string) {
	for _, section := range reflect.VisibleFields(reflect.TypeFor[document]()) {
		x, y := a.FieldByName(section.Name), b.FieldByName(section.Name)
		if !x.IsValid() { // nothing that this version has
			continue
		}
		name := jsonName(section)
		switch x.Kind() {
		case reflect.Struct:
			for _, f := range reflect.VisibleFields(x.Type()) {
				if !reflect.DeepEqual(x.FieldByIndex(f.Index).Interface(), y.FieldByIndex(f.Index).Interface()) {
					keys = append(keys, strict.Key(name, jsonName(f)))
				}
			}
		case reflect.Map:
			for _, key := range either(x, y) {
				if !equalEntries(x, y, key) {
					keys = append(keys, strict.Key(name, key))
				}
			}
		default:
			if !reflect.DeepEqual(x.Interface(), y.Interface()) {
				keys = append(keys, name)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// either are the keys of two maps.
func either(a, b reflect.Value) []string {
	all := map[string]bool{}
	for _, key := range slices.Concat(a.MapKeys(), b.MapKeys()) {
		all[key.String()] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func equalEntries(a, b reflect.Value, key string) bool {
	x, y := a.MapIndex(reflect.ValueOf(key)), b.MapIndex(reflect.ValueOf(key))
	return x.IsValid() && y.IsValid() && reflect.DeepEqual(x.Interface(), y.Interface())
}
