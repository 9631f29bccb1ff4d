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
// `of`, which may be nil. Names of keys are left alone, and the key of a notifier.Shaped is its own affair. The error
// names the path of the first text that fails.
func Destination(raw json.RawMessage, of notifier.Destination, d Data) (json.RawMessage, error) {
	tree, err := decode(raw)
	if err != nil {
		return nil, err
	}
	put := shape(tree, of, d)
	tree, err = eachText(tree, "", func(path, text string) (string, error) {
		rendered, err := String(text, d)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return rendered, nil
	})
	if err != nil {
		return nil, fmt.Errorf("render destination: %w", err)
	}
	put()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, fmt.Errorf("write destination: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
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
func eachText(tree any, path string, visit func(path, text string) (string, error)) (any, error) {
	var err error
	switch tree := tree.(type) {
	case string:
		return visit(path, tree)
	case []any:
		for i := range tree {
			if tree[i], err = eachText(tree[i], path+"["+strconv.Itoa(i)+"]", visit); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(tree)) {
			if tree[key], err = eachText(tree[key], strings.TrimPrefix(path+"."+key, "."), visit); err != nil {
				return nil, err
			}
		}
	}
	return tree, nil
}
