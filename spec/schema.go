package spec

import (
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// The $id of each schema.
const (
	TaskSchemaID = "https://github.com/flyte-notifier/flyte-notifier/blob/main/docs/schema/task.schema.json"
	SendSchemaID = "https://github.com/flyte-notifier/flyte-notifier/blob/main/docs/schema/send.schema.json"
)

// TaskSchema is the JSON Schema of a notification task's spec, with the registry's notifiers.
func TaskSchema(r *notifier.Registry) map[string]any {
	s := strict.Schema(taskDocument{}, TaskSchemaID)
	s["title"] = "Notification task"
	rules := property(s, "rules")["items"].(map[string]any)
	withSteps(rules, r)
	ruleSchema(rules, false)
	identifierSchema(property(s, "watch"), "node")
	when := property(rules, "when")["properties"].(map[string]any)
	for _, kind := range ofHistory() {
		delete(when, string(kind))
	}
	return s
}

// SubscriptionsSchema is the JSON Schema of a config's subscriptions, for the schema of the config.
func SubscriptionsSchema(r *notifier.Registry) map[string]any {
	s := strict.Describe(subscriptionDocument{})
	rules := property(s, "rules")["items"].(map[string]any)
	withSteps(rules, r)
	ruleSchema(rules, true)
	matchSchema(property(s, "match"))
	restrict(s, "name", map[string]any{"pattern": namePattern, "minLength": 1.0, "maxLength": float64(longestName)})
	s["anyOf"] = []any{
		map[string]any{"required": []any{"rules"}, "properties": map[string]any{"rules": map[string]any{"minItems": 1.0}}},
		map[string]any{"required": []any{honorKey}, "properties": map[string]any{honorKey: map[string]any{"const": true}}},
	}
	return map[string]any{"type": "array", "items": s}
}

// StepsSchema is the JSON Schema of a list of destinations.
func StepsSchema(r *notifier.Registry) map[string]any {
	return map[string]any{"type": "array", "items": stepSchema(r), "minItems": 1.0, "maxItems": 100.0}
}

// withSteps describes the destinations of a rule.
func withSteps(rule map[string]any, r *notifier.Registry) {
	property(rule, "send")["items"] = stepSchema(r)
	property(property(rule, "inhibit"), "parent")["const"] = true
	escalation := property(rule, "escalate")["items"].(map[string]any)
	property(escalation, "send")["items"] = stepSchema(r)
	property(rule, "fallback")["items"] = stepSchema(r)
}

// SendSchema is the JSON Schema of a notification_send task's spec.
func SendSchema(r *notifier.Registry) map[string]any {
	s := strict.Schema(sendDocument{}, SendSchemaID)
	s["title"] = "Notification send task"
	property(s, "send")["items"] = stepSchema(r)
	return s
}

func property(s map[string]any, name string) map[string]any {
	return s["properties"].(map[string]any)[name].(map[string]any)
}

// stepSchema is an entry of `send`: exactly one notifier.
func stepSchema(r *notifier.Registry) map[string]any {
	kinds := map[string]any{}
	for _, m := range r.All() {
		d := strict.Describe(m.Destination())
		d["description"] = m.Title
		if m.Config != nil {
			d["properties"].(map[string]any)[connectionKey] = map[string]any{
				"type": "string", "description": "the connection's name in the server's config; default: the server's default for this notifier",
			}
		} else {
			d["type"] = []any{"object", "null"} // `stdout:` says all
		}
		kinds[m.Kind] = d
	}
	return map[string]any{
		"type": "object", "properties": kinds, "additionalProperties": false, "minProperties": 1.0, "maxProperties": 1.0,
	}
}
