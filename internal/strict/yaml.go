package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What a YAML document may be at most. Aliases count as what they stand for, so that a small
// file cannot become a huge tree.
const (
	maxYAML  = 1 << 20
	maxNodes = 100_000
	maxDepth = 100
)

// YAML reads one document into a tree for Decode. Keys must be strings, each once in its
// mapping; an empty document is nil. Times and unknown scalars stay strings.
func YAML(data []byte) (any, error) {
	if len(data) > maxYAML {
		return nil, fmt.Errorf("read YAML: longer than %d bytes", maxYAML)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, fmt.Errorf("read YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("read YAML: must be one document")
	}
	tree, err := (&grower{}).grow(&doc, 0)
	if err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	return tree, nil
}

// grower turns nodes into a tree and counts what it has made.
type grower struct{ nodes int }

func (g *grower) grow(n *yaml.Node, depth int) (any, error) {
	g.nodes++
	if g.nodes > maxNodes || depth > maxDepth {
		return nil, fmt.Errorf("line %d: too large or too deep", n.Line)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return g.grow(n.Content[0], depth)
	case yaml.AliasNode:
		return g.grow(n.Alias, depth+1)
	case yaml.MappingNode:
		return g.mapping(n, depth)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, entry := range n.Content {
			v, err := g.grow(entry, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	}
	return scalar(n)
}

func (g *grower) mapping(n *yaml.Node, depth int) (any, error) {
	m := make(map[string]any, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			merged = append(merged, value)
			continue
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
			return nil, fmt.Errorf("line %d: a key must be a string", key.Line)
		}
		if _, twice := m[key.Value]; twice {
			return nil, fmt.Errorf("line %d: key %s is there twice", key.Line, Quote(key.Value))
		}
		v, err := g.grow(value, depth+1)
		if err != nil {
			return nil, err
		}
		m[key.Value] = v
	}
	return m, g.merge(m, merged, depth)
}

// merge adds the keys of the mappings under "<<"; keys of the mapping itself, and then of earlier
// ones, win.
func (g *grower) merge(m map[string]any, merged []*yaml.Node, depth int) error {
	for _, n := range merged {
		v, err := g.grow(n, depth+1)
		if err != nil {
			return err
		}
		sources, isList := v.([]any)
		if !isList {
			sources = []any{v}
		}
		for _, s := range sources {
			source, ok := s.(map[string]any)
			if !ok {
				return fmt.Errorf("line %d: << must be a mapping, not %s", n.Line, Name(s))
			}
			for k, v := range source {
				if _, own := m[k]; !own {
					m[k] = v
				}
			}
		}
	}
	return nil
}

func scalar(n *yaml.Node) (any, error) {
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp":
		return n.Value, nil
	case "!!null", "!!bool", "!!int", "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %s", n.Line, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		return v, nil
	default:
		return nil, fmt.Errorf("line %d: tag %s is not supported", n.Line, Quote(tag))
	}
}
