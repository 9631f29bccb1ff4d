package strict_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

func TestYAMLReadsATree(t *testing.T) {
	t.Parallel()
	got, err := strict.YAML([]byte(`
# comment
text: plain
quoted: "1"
number: 3
float: 1.5
big: 18446744073709551615
truth: true
nothing: ~
time: 2026-11-22T10:00:00Z
yes: "on"
list: [a, {b: c}]
base: &base {x: 1, y: 2}
same: *base
merged: {<<: *base, y: 3}
several: {<<: [*base, {z: 4, x: 9}]}
`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"text": "plain", "quoted": "1", "number": 3, "float": 1.5, "big": uint64(18446744073709551615), "truth": true,
		"nothing": nil, "time": "2026-11-22T10:00:00Z", "yes": "on",
		"list":    []any{"a", map[string]any{"b": "c"}},
		"base":    map[string]any{"x": 1, "y": 2},
		"same":    map[string]any{"x": 1, "y": 2},
		"merged":  map[string]any{"x": 1, "y": 3},
		"several": map[string]any{"x": 1, "y": 2, "z": 4},
	}, got)
}

func TestYAMLOfNothingIsNil(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{"", "\n", "# only a comment\n", "---\n", "~"} {
		got, err := strict.YAML([]byte(doc))
		require.NoError(t, err, "%q", doc)
		require.Nil(t, got, "%q", doc)
	}
}

func TestYAMLRefuses(t *testing.T) {
	t.Parallel()
	laughs := "a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n"
	for c := 'b'; c <= 'j'; c++ {
		laughs += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 10) + "]\n"
	}
	tests := []struct{ name, doc, want string }{
		{"no YAML", "a: [", "read YAML: line 1: did not find expected node content"},
		{"a tab", "a:\n\tb: 1", "read YAML: line 2: found character that cannot start any token"},
		{"two documents", "a: 1\n---\nb: 2", "read YAML: must be one document"},
		{"a key twice", "a: 1\nb: 2\na: 3", `read YAML: line 3: key "a" is there twice`},
		{"a nested key twice", "a: {b: 1, b: 2}", `read YAML: line 1: key "b" is there twice`},
		{"a number as key", "a:\n  1: x", "read YAML: line 2: a key must be a string"},
		{"a list as key", "[a]: x", "read YAML: line 1: a key must be a string"},
		{"an own tag", "a: !env HOME", `read YAML: line 1: tag "!env" is not supported`},
		{"binary", "a: !!binary aGk=", `read YAML: line 1: tag "!!binary" is not supported`},
		{"a merge of a string", "{<<: x}", "read YAML: line 1: << must be a mapping, not a string"},
		{"a billion laughs", laughs, "line 1: too large or too deep"},
		{"an alias of itself", "a: &a [*a]", "read YAML: line 1: too large or too deep"},
		{"too deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), "read YAML: line 1: too large or too deep"},
		{"far too deep", strings.Repeat("[", 500_000), "exceeded max depth"},
		{"too long", strings.Repeat("#", 1<<20+1), "read YAML: longer than 1048576 bytes"},
		{"not UTF-8", "a: \xff", "invalid leading UTF-8 octet"},
		{"an unknown anchor", "a: *b", "unknown anchor 'b' referenced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := strict.YAML([]byte(tt.doc))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"{name: home, rooms: [{use: bed}]}", "a: &a [*a]", "{<<: {name: x}, age: 1h}", "pair: [1]", "tags: {", "!!int x",
		"? [a]\n: b", "key: {env: 1}", "- \n- -", "name: |\n  x\n", "\ufeffname: x", "%YAML 1.2\n---\nname: x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := strict.YAML(data)
		if err != nil {
			require.Nil(t, tree)
			return
		}
		var a, b house
		first := strict.Decode(tree, &a)
		require.Equal(t, first, strict.Decode(tree, &b), "the same document has the same problems in the same order")
		require.LessOrEqual(t, len(first), 101)
	})
}
