package strict_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// house is a struct with a field of every kind that Decode knows.
type house struct {
	Name    string            `json:"name" required:"true" doc:"what it is called"`
	Color   string            `json:"color" enum:"red,green" default:"red"`
	Tags    []string          `json:"tags" enum:"old,new" max:"3"`
	Floors  int               `json:"floors" min:"1" max:"9" default:"2"`
	Doors   uint8             `json:"doors"`
	Height  float64           `json:"height"`
	Lit     bool              `json:"lit" default:"true"`
	Age     strict.Duration   `json:"age" default:"1h30m"`
	Plain   time.Duration     `json:"plain"`
	Rooms   []room            `json:"rooms"`
	Garden  garden            `json:"garden"`
	Shed    *room             `json:"shed"`
	Labels  map[string]string `json:"labels"`
	Annexes map[string]room   `json:"annexes"`
	Any     any               `json:"any"`
	Key     notifier.Secret   `json:"key"`
	Pair    pair              `json:"pair"`
	Pool    any               `json:"pool" unsupported:"true"`
	Hidden  string            `json:"-"`
	outdoor
}

type outdoor struct {
	Fence string `json:"fence"`
}

type room struct {
	Use   string  `json:"use" required:"true"`
	Width float64 `json:"width" default:"3.5"`
}

type garden struct {
	Trees int    `json:"trees" default:"4"`
	Owner string `json:"owner" required:"true"`
}

// Validate refuses a garden that belongs to nobody in particular.
func (g garden) Validate() []notifier.Problem {
	if g.Trees == 13 {
		return []notifier.Problem{{Path: "trees", Text: "unlucky"}, {Text: "is haunted"}}
	}
	return nil
}

// pair decodes itself from a list of two.
type pair struct{ a, b string }

func (p *pair) DecodeStrict(tree any) []notifier.Problem {
	var both []string
	if problems := strict.Decode(tree, &both); len(problems) > 0 {
		return problems
	}
	if len(both) != 2 {
		return []notifier.Problem{{Text: "must be two"}}
	}
	p.a, p.b = both[0], both[1]
	return nil
}

func (pair) JSONSchema() map[string]any { return map[string]any{"type": "array"} }

// decode decodes YAML and returns the problems as users read them.
func decode(t *testing.T, doc string, dst any) []string {
	t.Helper()
	tree, err := strict.YAML([]byte(doc))
	require.NoError(t, err)
	return texts(strict.Decode(tree, dst))
}

func texts(problems []notifier.Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return all
}

func TestDecodeFillsEveryKindOfField(t *testing.T) {
	t.Parallel()
	var h house
	require.Empty(t, decode(t, `
name: home
color: green
tags: [old]
floors: 3.0
doors: 2
height: 7
lit: false
age: 10m
plain: 200ms
rooms: [{use: bed, width: 4}, {use: bath}]
garden: {owner: me}
shed: {use: tools}
labels: {team: ml}
annexes: {a b: {use: car}}
any: {x: [1]}
key: {env: KEY}
pair: [l, r]
fence: high
`, &h))
	want := house{
		Name: "home", Color: "green", Tags: []string{"old"}, Floors: 3, Doors: 2, Height: 7,
		Age: strict.Duration(10 * time.Minute), Plain: 200 * time.Millisecond,
		Rooms: []room{{Use: "bed", Width: 4}, {Use: "bath", Width: 3.5}}, Garden: garden{Trees: 4, Owner: "me"},
		Shed: &room{Use: "tools", Width: 3.5}, Labels: map[string]string{"team": "ml"},
		Annexes: map[string]room{"a b": {Use: "car", Width: 3.5}}, Any: map[string]any{"x": []any{1}},
		Key: notifier.Secret{Env: "KEY"}, Pair: pair{a: "l", b: "r"}, outdoor: outdoor{Fence: "high"},
	}
	require.Equal(t, want, h)
}

func TestDecodeSetsDefaultsOfAbsentAndNullKeys(t *testing.T) {
	t.Parallel()
	var h house
	require.Empty(t, decode(t, "{name: home, color: null, floors: ~, garden: }", &h))
	require.Equal(t, "red", h.Color)
	require.Equal(t, 2, h.Floors)
	require.True(t, h.Lit)
	require.Equal(t, "1h30m0s", h.Age.String())
	require.Equal(t, 4, h.Garden.Trees, "a default in a struct that is absent; its required keys are not asked for")
}

func TestDecodeTellsEveryProblemWithItsPath(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		doc  string
		want []string
	}{
		{"everything at once", `
colour: green
color: blue
tags: [old, ancient, new, new]
floors: 0
rooms: [{}, bed, {use: 1, width: wide}]
pool: {deep: true}
`, []string{
			`color: must be one of red, green, not "blue"`,
			`colour: unknown key, did you mean "color"?`,
			`floors: must be at least 1, not 0`,
			`name: required`,
			`pool: not supported by this version`,
			`rooms[0].use: required`,
			`rooms[1]: must be a mapping, not a string`,
			`rooms[2].use: must be a string, not a number`,
			`rooms[2].width: must be a number, not a string`,
			`tags: must have at most 3 entries, not 4`,
		}},
		{"no mapping", "[a]", []string{"must be a mapping, not a list"}},
		{"nothing", "", []string{"must be a mapping, not null"}},
		{"a string for a list", "{name: x, tags: old}", []string{"tags: must be a list, not a string"}},
		{"a list for a string", "{name: [x]}", []string{"name: must be a string, not a list"}},
		{"a mapping for a string", "{name: {x: y}}", []string{"name: must be a string, not a mapping"}},
		{"a boolean for a string", "{name: true}", []string{"name: must be a string, not a boolean"}},
		{"a string for a boolean", "{name: x, lit: 'yes'}", []string{"lit: must be true or false, not a string"}},
		{"null in a list", "{name: x, rooms: [null], tags: [~]}", []string{
			"rooms[0]: must be a mapping, not null", "tags[0]: must be a string, not null",
		}},
		{"an entry's enum", "{name: x, tags: [old, nwe]}", []string{`tags[1]: must be one of old, new, not "nwe", did you mean "new"?`}},
		{"a fraction", "{name: x, floors: 2.5}", []string{"floors: must be a whole number, not 2.5"}},
		{"too many floors", "{name: x, floors: 10}", []string{"floors: must be at most 9, not 10"}},
		{"a string for a whole number", "{name: x, floors: '2'}", []string{"floors: must be a whole number, not a string"}},
		{"a negative count", "{name: x, doors: -1}", []string{"doors: must not be negative"}},
		{"an overflow", "{name: x, doors: 256}", []string{"doors: must be a number nearer to zero than 256"}},
		{"not a number", "{name: x, height: .nan}", []string{"height: must be a finite number"}},
		{"a bad duration", "{name: x, age: 10 minutes}", []string{`age: must be a duration such as 10m, not "10 minutes"`}},
		{"a duration without unit", "{name: x, plain: 5}", []string{`plain: must be a duration such as 10m, not "5"`}},
		{"a number for a duration", "{name: x, age: 0}", []string{"age: must be a string, not a number"}},
		{"a negative duration", "{name: x, age: -5m}", []string{"age: must not be negative"}},
		{"a list for a duration", "{name: x, age: []}", []string{"age: must be a string, not a list"}},
		{"a key that is no word", "{name: x, 'a.b': 1, labels: {c d: 2}}", []string{
			`["a.b"]: unknown key`, `labels["c d"]: must be a string, not a number`,
		}},
		{"in a map of structs", "{name: x, annexes: {east: {}}}", []string{"annexes.east.use: required"}},
		{"behind a pointer", "{name: x, shed: {us: y}}", []string{`shed.us: unknown key, did you mean "use"?`, "shed.use: required"}},
		{"a type's own", "{name: x, pair: [a]}", []string{"pair: must be two"}},
		{"below a type's own", "{name: x, pair: [a, 2]}", []string{"pair[1]: must be a string, not a number"}},
		{"an embedded struct's key", "{name: x, fence: 1}", []string{"fence: must be a string, not a number"}},
		{"validated", "{name: x, garden: {owner: me, trees: 13}}", []string{"garden.trees: unlucky"}},
		{"validated beside an unknown key", "{name: x, garden: {owner: me, trees: 13, ponds: 1}}", []string{
			"garden.ponds: unknown key", "garden.trees: unlucky",
		}},
		{"a reference to two secrets", "{name: x, key: {env: A, file: B}}", []string{
			"key: must be exactly one of {env: NAME} and {file: PATH}",
		}},
		{"an unexported or hidden field", "{name: x, Hidden: y, a: z}", []string{"Hidden: unknown key", "a: unknown key"}},
		{"null at an unsupported key", "{name: x, pool: null}", []string{"pool: not supported by this version"}},
		{"an unsupported key is not suggested", "{name: x, poool: 1}", []string{"poool: unknown key"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, decode(t, tt.doc, &house{}))
		})
	}
}

func TestDecodeNeverShowsASecretThatStandsWhereAReferenceShould(t *testing.T) {
	t.Parallel()
	got := decode(t, "{name: x, key: xoxb-very-secret}", &house{})
	require.Equal(t, []string{"key: must be {env: NAME} or {file: PATH}, not a string"}, got)
}

func TestDecodeReadsStructsAndJSON(t *testing.T) {
	t.Parallel()
	fromProto, err := structpb.NewStruct(map[string]any{"name": "x", "floors": 5, "rooms": []any{map[string]any{"use": "bed"}}})
	require.NoError(t, err)
	var h house
	require.Empty(t, strict.Decode(fromProto.AsMap(), &h))
	require.Equal(t, 5, h.Floors)

	var tree any
	dec := json.NewDecoder(strings.NewReader(`{"name": "x", "floors": 6, "height": 1e999}`))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&tree))
	require.Equal(t, []string{"height: must be a finite number"}, texts(strict.Decode(tree, &h)))
	require.Equal(t, 6, h.Floors)
}

func TestDecodeRefusesWholeNumbersThatAStructHasRounded(t *testing.T) {
	t.Parallel()
	var v struct {
		N int64 `json:"n"`
	}
	require.Empty(t, strict.Decode(map[string]any{"n": float64(1 << 53)}, &v))
	require.Equal(t, int64(1<<53), v.N)
	require.Len(t, strict.Decode(map[string]any{"n": float64(1<<53 + 2)}, &v), 1)
	require.Len(t, strict.Decode(map[string]any{"n": math.Inf(1)}, &v), 1)
}

func TestDecodeCountsTheProblemsBeyondTheFirstHundred(t *testing.T) {
	t.Parallel()
	m := map[string]any{"name": "x"}
	for i := range 250 {
		m[fmt.Sprintf("unknown%03d", i)] = i
	}
	got := strict.Decode(m, &house{})
	require.Len(t, got, 101)
	require.Equal(t, "unknown099: unknown key", got[99].String())
	require.Equal(t, "and 150 more problems", got[100].String())
	require.Equal(t, "and 1 more problems", strict.Limit(got)[100].String())
}

func TestLimitTellsAProblemOnce(t *testing.T) {
	t.Parallel()
	p := notifier.Problem{Path: "a", Text: "required"}
	require.Equal(t, []notifier.Problem{p}, strict.Limit([]notifier.Problem{p, p}))
}

func TestDecodeCutsLongTextsInProblems(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 10_000)
	for _, text := range texts(strict.Decode(map[string]any{"name": "x", long: 1, "color": long, "labels": map[string]any{long: 1}}, &house{})) {
		require.Less(t, len(text), 300)
	}
}

func TestDecodeAsksAnErrorValidator(t *testing.T) {
	t.Parallel()
	var v struct {
		Even even `json:"even"`
	}
	require.Equal(t, []string{"even: must be even"}, texts(strict.Decode(map[string]any{"even": map[string]any{"n": 3}}, &v)))
	require.Equal(t, []string{"even.n: must be a whole number, not a string"},
		texts(strict.Decode(map[string]any{"even": map[string]any{"n": "3"}}, &v)), "not asked about a value that did not decode")
}

type even struct {
	N int `json:"n" default:"1"`
}

func (e even) Validate() error {
	if e.N%2 == 1 {
		return errors.New("must be even")
	}
	return nil
}

func TestDecodePanicsOnADefaultThatTheFieldRefuses(t *testing.T) {
	t.Parallel()
	var v struct {
		N int `json:"n" default:"many"`
	}
	require.Panics(t, func() { strict.Decode(map[string]any{}, &v) })
}

func TestPaths(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a", strict.Key("", "a"))
	require.Equal(t, "a.b-c", strict.Key("a", "b-c"))
	require.Equal(t, `a["b.c"]`, strict.Key("a", "b.c"))
	require.Equal(t, `a[""]`, strict.Key("a", ""))
	require.Equal(t, "a[3]", strict.Index("a", 3))
	require.Equal(t, []notifier.Problem{{Path: "a.b", Text: "x"}, {Path: "a[0]", Text: "y"}, {Path: "a", Text: "z"}},
		strict.Under("a", []notifier.Problem{{Path: "b", Text: "x"}, {Path: "[0]", Text: "y"}, {Text: "z"}}))
}

func TestSortOrdersByPathAndNumber(t *testing.T) {
	t.Parallel()
	var problems []notifier.Problem
	for _, path := range []string{"", "rules[10].if", "wait", "rules[2].send[1].slack", "rules[2].send", "rules[2].name", "rules"} {
		problems = append(problems, notifier.Problem{Path: path, Text: "x"})
	}
	strict.Sort(problems)
	var got []string
	for _, p := range problems {
		got = append(got, p.Path)
	}
	require.Equal(t, []string{"rules", "rules[2].name", "rules[2].send", "rules[2].send[1].slack", "rules[10].if", "wait", ""}, got)
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"channel", "email", "FAILED", "to"}
	for word, want := range map[string]string{
		"chanel": "channel", "channle": "channel", "Channel": "channel", "failed": "FAILED", "emial": "email",
		"og": "", "ot": "to", "x": "", "": "", "subject": "", strings.Repeat("channel", 20): "",
	} {
		require.Equal(t, want, strict.Nearest(word, known), word)
	}
}
