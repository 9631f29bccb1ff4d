package config

import (
	"maps"
	"slices"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// SchemaID is the $id of the config's schema.
const SchemaID = "https://github.com/flyte-notifier/flyte-notifier/blob/main/docs/schema/config.schema.json"

// Schema is the JSON Schema of the config, with the registry's notifiers.
func Schema(reg *notifier.Registry) map[string]any {
	s := strict.Schema(document{}, SchemaID)
	s["title"] = "flyte-notifier config"
	properties := s["properties"].(map[string]any)
	kinds, defaults := map[string]any{}, map[string]any{}
	for _, m := range reg.All() {
		if m.Config == nil {
			continue
		}
		kind := strict.Describe(m.Config())
		kind["description"] = m.Title
		kinds[m.Kind] = kind
		defaults[m.Kind] = map[string]any{"type": "string", "description": "a connection's name"}
	}
	connections := properties["connections"].(map[string]any)
	connections["additionalProperties"] = connectionSchema(kinds)
	connections["propertyNames"] = map[string]any{"pattern": "^[a-z0-9_-]{1,63}$"}
	subscriptions := spec.SubscriptionsSchema(reg)
	subscriptions["description"] = properties["subscriptions"].(map[string]any)["description"]
	properties["subscriptions"] = subscriptions
	ops := spec.StepsSchema(reg)
	ops["description"] = properties["ops"].(map[string]any)["description"]
	properties["ops"] = ops
	byKind := properties["defaults"].(map[string]any)
	byKind["properties"], byKind["additionalProperties"] = defaults, false
	return s
}

// connectionSchema is a connection: exactly one notifier, and what limits it.
func connectionSchema(kinds map[string]any) map[string]any {
	quiet := spec.QuietSchema()
	quiet["description"] = "hours in which no rule tells through it (a notification_send task does); what happens then is told at their end, in one message to each destination"
	properties := map[string]any{allowKey: strict.Describe(allowDocument{}), rateKey: strict.Describe(rateDocument{}), quietKey: quiet}
	var one []any
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		properties[kind] = kinds[kind]
		one = append(one, map[string]any{"required": []any{kind}})
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false, "oneOf": one}
}
