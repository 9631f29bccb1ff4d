package strict

import (
	"encoding"
	"fmt"
	"reflect"
	"time"
)

// Schemer is a type that describes itself: one that decodes itself, or from text.
type Schemer interface {
	JSONSchema() map[string]any
}

// Schema returns the JSON Schema (2020-12) of what Decode accepts for a value of v's type, under
// the given $id. Keys of features that are not built are left out, so that editors do not offer
// them. The type must not contain itself.
func Schema(v any, id string) map[string]any {
	s := Describe(v)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = id
	return s
}

// Describe returns the schema of v's type alone, for a Schemer to put together.
func Describe(v any) map[string]any {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return describe(t)
}

func describe(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[time.Duration]() {
		return Duration(0).JSONSchema()
	}
	if own, ok := reflect.New(t).Interface().(Schemer); ok && t.Kind() != reflect.Pointer {
		return own.JSONSchema()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describe(t.Elem())
	case reflect.Interface:
		return map[string]any{}
	case reflect.Struct:
		return describeStruct(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": describe(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": describe(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0.0}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	panic(fmt.Sprintf("strict: type %s has no schema", t))
}

func describeStruct(t reflect.Type) map[string]any {
	fs, ok := structOf(t)
	if !ok {
		panic(fmt.Sprintf("strict: type %s decodes itself and must be a Schemer", t))
	}
	properties := map[string]any{}
	var required []any
	for _, f := range fs {
		if f.unsupported {
			continue
		}
		properties[f.name] = f.schema()
		if f.required {
			required = append(required, f.name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// schema is the type's schema with what the tags add.
func (f field) schema() map[string]any {
	s := describe(f.kind)
	if f.doc != "" {
		s["description"] = f.doc
	}
	if f.hasDefault {
		s["default"] = f.defaultTree()
	}
	if len(f.enum) > 0 {
		values := make([]any, len(f.enum))
		for i, v := range f.enum {
			values[i] = v
		}
		f.restrict(s, "enum", values)
	}
	least, most := "minItems", "maxItems"
	if f.isNumber() {
		least, most = "minimum", "maximum"
	}
	if n, ok := bound(f.min); ok {
		s[least] = n
	}
	if n, ok := bound(f.max); ok {
		s[most] = n
	}
	return s
}

// restrict sets a keyword on the schema, or on its entries' where it is a list.
func (f field) restrict(s map[string]any, keyword string, value any) {
	if items, ok := s["items"].(map[string]any); ok {
		s = items
	}
	s[keyword] = value
}
