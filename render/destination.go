package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Destination renders every text in a JSON tree, as the keys of a `send` entry are. Names of keys
// are left alone. The error names the path of the first text that fails.
func Destination(raw json.RawMessage, d Data) (json.RawMessage, error) {
	tree, err := decode(raw)
	if err != nil {
		return nil, err
	}
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
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, fmt.Errorf("write destination: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
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
