package strict_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// shelf has no methods of its own, so that the schema can say all that Decode checks.
type shelf struct {
	Name   string           `json:"name" required:"true"`
	Kind   string           `json:"kind" enum:"wood,steel" default:"wood"`
	Boards int              `json:"boards" min:"1" max:"9" default:"3"`
	Width  float64          `json:"width" min:"0.5"`
	Count  uint8            `json:"count" max:"200"`
	Fixed  bool             `json:"fixed"`
	Since  strict.Duration  `json:"since"`
	Colors []string         `json:"colors" enum:"red,blue" min:"1" max:"2"`
	Boxes  map[string]box   `json:"boxes"`
	Next   *box             `json:"next"`
	Lists  []map[string]int `json:"lists"`
	Extra  any              `json:"extra"`
	Wheels any              `json:"wheels" unsupported:"true"`
}

type box struct {
	Size  int    `json:"size" required:"true"`
	Label string `json:"label"`
}

// anything draws a tree that is often, but not always, what a shelf wants.
func anything(depth int) *rapid.Generator[any] {
	keys := rapid.SampledFrom([]string{
		"name", "kind", "boards", "width", "count", "fixed", "since", "colors", "boxes", "next", "lists", "extra", "wheels",
		"size", "label", "other",
	})
	scalars := []*rapid.Generator[any]{
		rapid.SampledFrom([]any{"wood", "red", "blue", "1h30m", "10 minutes", "", "-5m", ".5s", "3"}),
		rapid.SampledFrom([]any{0, 1, 3, 9, 10, -1, 2.5, 5.0, 0.5, 200, 201, true, false}),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	inner := rapid.Deferred(func() *rapid.Generator[any] { return anything(depth - 1) })
	mapping := rapid.Map(rapid.MapOfN(keys, inner, 0, 4), func(m map[string]any) any { return m })
	list := rapid.Map(rapid.SliceOfN(inner, 0, 3), func(l []any) any { return l })
	return rapid.OneOf(append(scalars, mapping, mapping, list)...)
}

// likely draws a shelf whose keys mostly hold what they should.
func likely() *rapid.Generator[any] {
	good := map[string]*rapid.Generator[any]{
		"name": rapid.Just(any("x")), "kind": rapid.Just(any("steel")), "boards": rapid.Just(any(4)), "width": rapid.Just(any(1.5)),
		"count": rapid.Just(any(7.0)), "fixed": rapid.Just(any(true)), "since": rapid.Just(any("1h")),
		"colors": rapid.Just(any([]any{"red"})), "boxes": rapid.Just(any(map[string]any{"a b": map[string]any{"size": 1}})),
		"next": rapid.Just(any(map[string]any{"size": 1, "label": "l"})), "lists": rapid.Just(any([]any{map[string]any{"k": 1}})),
	}
	return rapid.Custom(func(t *rapid.T) any {
		m := map[string]any{"name": "x"}
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
			"kind", "boards", "width", "count", "fixed", "since", "colors", "boxes", "next", "lists",
		}), 0, 6, rapid.ID[string]).Draw(t, "keys") {
			m[key] = rapid.OneOf(good[key], good[key], good[key], anything(2)).Draw(t, key)
		}
		if rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
			m["wheels"] = 4
		}
		return m
	})
}

func TestSchemaAndDecodeAgree(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(strict.Schema(shelf{}, "shelf.json"))
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("shelf.json", doc))
	schema, err := c.Compile("shelf.json")
	require.NoError(t, err)

	rapid.Check(t, func(t *rapid.T) {
		tree := rapid.OneOf(likely(), likely(), anything(3)).Draw(t, "tree")
		var s shelf
		problems := strict.Decode(tree, &s)
		if err := schema.Validate(tree); (err == nil) != (len(problems) == 0) {
			t.Fatalf("schema says %v, decoder says %v", err, problems)
		}
		if len(problems) == 0 && (s.Name == "" && tree.(map[string]any)["name"] != "" || s.Boards == 0 || s.Kind == "") {
			t.Fatalf("accepted, but not filled in: %+v", s)
		}
	})
}
