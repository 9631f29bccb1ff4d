package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Destination renders every text in a JSON tree, as the keys of a `send` entry are, for a destination of the type of
// `of`, which may be nil. Names of keys are left alone, and the key of a notifier.Shaped is its own affair.
//
// A template that fails, renders to nothing, or to what check finds wrong (nil: nothing is wrong) is left out, with its key
// or from its list: what remains may still be a place to send to. leftOut are those that failed or were wrong.
func Destination(raw json.RawMessage, of notifier.Destination, d Data, check func(tree any) []notifier.Problem) (_ json.RawMessage, leftOut []notifier.Problem, err error) {
	tree, err := decode(raw)
	if err != nil {
		return nil, nil, err
	}
	put := shape(tree, of, d)
	usable := map[string]bool{} // each template, by its path
	tree = eachText(tree, "", func(path, text string) string {
		if !notifier.IsTemplate(text) {
			return text
		}
		rendered, err := String(text, d)
		if err != nil {
			leftOut = append(leftOut, notifier.Problem{Path: path, Text: err.Error()})
		}
		usable[path] = rendered != ""
		return rendered
	})
	if check != nil {
		for _, p := range check(tree) {
			if usable[p.Path] {
				usable[p.Path], leftOut = false, append(leftOut, p)
			}
		}
	}
	tree = without(tree, "", func(path string) bool {
		good, isTemplate := usable[path]
		return isTemplate && !good
	})
	put()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, nil, fmt.Errorf("write destination: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), leftOut, nil
}

// shape takes the shape out of a destination's keys. put brings it back, rendered.
func shape(tree any, of notifier.Destination, d Data) (put func()) {
	shaped, ok := of.(notifier.Shaped)
	keys, isMap := tree.(map[string]any)
	if !ok || !isMap || keys[shaped.ShapeKey()] == nil {
		return func() {}
	}
	key := shaped.ShapeKey()
	value := keys[key]
	delete(keys, key)
	return func() {
		keys[key] = shaped.Shape(value, func(text string, insert func(before, value string) string) (string, error) {
			return Inserting(text, d, insert)
		})
	}
}

func decode(raw json.RawMessage) (any, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return map[string]any{}, nil
	}
	var tree any
	if err := decodeExact(raw, &tree); err != nil {
		return nil, fmt.Errorf("read destination: %w", err)
	}
	return tree, nil
}

// eachText replaces each text of the tree by what visit makes of it, in order of their paths.
func eachText(tree any, path string, visit func(path, text string) string) any {
	switch tree := tree.(type) {
	case string:
		return visit(path, tree)
	case []any:
		for i := range tree {
			tree[i] = eachText(tree[i], entry(path, i), visit)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(tree)) {
			tree[key] = eachText(tree[key], below(path, key), visit)
		}
	}
	return tree
}

// without is the tree without the values at some paths.
func without(tree any, path string, out func(path string) bool) any {
	switch tree := tree.(type) {
	case []any:
		kept := []any{}
		for i, value := range tree {
			if at := entry(path, i); !out(at) {
				kept = append(kept, without(value, at, out))
			}
		}
		return kept
	case map[string]any:
		for key, value := range tree {
			if at := below(path, key); out(at) {
				delete(tree, key)
			} else {
				tree[key] = without(value, at, out)
			}
		}
	}
	return tree
}

func entry(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func below(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }
