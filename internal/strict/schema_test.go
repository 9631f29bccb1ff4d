package strict_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

func TestSchemaSaysWhatDecodeAccepts(t *testing.T) {
	t.Parallel()
	s := strict.Schema(&house{}, "https://example.org/house.json")
	require.Equal(t, "https://example.org/house.json", s["$id"])
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", s["$schema"])
	require.Equal(t, false, s["additionalProperties"])
	require.Equal(t, []any{"name"}, s["required"])

	got, err := json.Marshal(s["properties"])
	require.NoError(t, err)
	room := `{"type": "object", "additionalProperties": false, "required": ["use"], "properties": {
		"use": {"type": "string"}, "width": {"type": "number", "default": 3.5}}}`
	duration, err := json.Marshal(strict.Duration(0).JSONSchema()["pattern"])
	require.NoError(t, err)
	require.JSONEq(t, `{
		"name": {"type": "string", "description": "what it is called"},
		"color": {"type": "string", "enum": ["red", "green"], "default": "red"},
		"tags": {"type": "array", "items": {"type": "string", "enum": ["old", "new"]}, "maxItems": 3},
		"floors": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
		"doors": {"type": "integer", "minimum": 0},
		"height": {"type": "number"},
		"lit": {"type": "boolean", "default": true},
		"age": {"type": "string", "default": "1h30m", "pattern": `+string(duration)+`},
		"plain": {"type": "string", "pattern": `+string(duration)+`},
		"rooms": {"type": "array", "items": `+room+`},
		"garden": {"type": "object", "additionalProperties": false, "required": ["owner"], "properties": {
			"trees": {"type": "integer", "default": 4}, "owner": {"type": "string"}}},
		"shed": `+room+`,
		"labels": {"type": "object", "additionalProperties": {"type": "string"}},
		"annexes": {"type": "object", "additionalProperties": `+room+`},
		"any": {},
		"key": {"type": "object", "additionalProperties": false, "properties": {
			"env": {"type": "string", "description": "name of an environment variable that holds the secret"},
			"file": {"type": "string", "description": "path of a file that holds the secret"}}},
		"pair": {"type": "array"},
		"fence": {"type": "string"}
	}`, string(got))
}

func TestSchemaOfATypeThatDecodesItselfNeedsItsWord(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { strict.Schema(&silent{}, "x") })
}

// silent decodes itself as pair does, and does not say how.
type silent struct{ inner }

type inner struct{ pair }

func (silent) JSONSchema(int) {}

func TestDurationWritesWhatItReads(t *testing.T) {
	t.Parallel()
	var d strict.Duration
	require.NoError(t, d.UnmarshalText([]byte("90m")))
	text, err := d.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "1h30m0s", string(text))
}
