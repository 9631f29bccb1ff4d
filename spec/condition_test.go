package spec_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

func facts() spec.Facts {
	return spec.Facts{
		Phase: "FAILED", Elapsed: 90 * time.Minute, Labels: map[string]string{"team": "ml"},
		Project: "p", Domain: "production", Name: "f123", Workflow: "wf.train", LaunchPlan: "nightly", User: "alice", Node: "n2",
		ConsoleURL: "https://flyte.example.org/console/x",
		Error:      spec.ErrorFacts{Kind: "USER", Code: "OOMKilled", Message: "out of memory in pod a1"},
		Inputs: map[string]any{
			"n": int64(7), "exact": json.Number("9007199254740993"), "ratio": json.Number("0.5"), "flag": true, "nothing": nil,
			"models": []any{map[string]any{"name": "a", "tags": []any{"x", "y"}}, map[string]any{"name": "b", "tags": []any{}}},
		},
	}
}

func TestConditionSeesTheFacts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`elapsed > duration("10m") && labels["team"] == "ml"`:   true,
		`elapsed > duration("2h")`:                              false,
		`elapsed.Hours() == 1.5`:                                true,
		`phase == "FAILED" and domain in ["production"]`:        true,
		`labels["absent"] == ""`:                                true,
		`labels.absent == "" && labels.team != ""`:              true,
		`"team" in labels`:                                      true,
		`error.kind == "USER" && error.code == "OOMKilled"`:     true,
		`error.message contains "memory"`:                       true,
		`error.message matches "pod [a-z][0-9]$"`:               true,
		`project + "/" + domain == "p/production"`:              true,
		`workflow startsWith "wf." && launch_plan == "nightly"`: true,
		`lower(user) == "alice" && node == "n2"`:                true,
		`len(console_url) > 0 && name != ""`:                    true,
		`inputs.n > 5 && inputs["n"] == 7`:                      true,
		`inputs.exact == 9007199254740993`:                      true,
		`inputs.ratio < 1`:                                      true,
		`inputs.flag`:                                           true,
		`inputs.absent`:                                         false,
		`inputs.absent == nil && inputs.nothing == nil`:         true,
		`inputs.absent?.field == nil`:                           true,
		`any(inputs.models, "x" in .tags)`:                      true,
		`all(inputs.models, any(.tags, # == "x"))`:              false,
		`count(inputs.models, len(.tags) == 0) == 1`:            true,
		`len(filter(1..10, # % 2 == 0)) == 5`:                   true,
		`not (phase == "FAILED") ? false : true`:                true,
		`date("2026-11-22").Year() == 2026`:                     true,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			c, err := spec.Compile(text)
			require.NoError(t, err)
			got, err := c.Eval(facts())
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestConditionSeesEmptyFacts(t *testing.T) {
	t.Parallel()
	c, err := spec.Compile(`labels["team"] == "" && error.message == "" && inputs.x == nil && elapsed == duration("0s")`)
	require.NoError(t, err)
	got, err := c.Eval(spec.Facts{})
	require.NoError(t, err)
	require.True(t, got)
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`phse == "FAILED"`:                      `unknown variable "phse", did you mean "phase"? (line 1, column 1)`,
		"phase == \"FAILED\" &&\n eror.kind":    `unknown variable "eror", did you mean "error"? (line 2, column 2)`,
		`error.mesage == ""`:                    `unknown field "mesage", did you mean "message"? (line 1, column 7)`,
		`phase`:                                 `must come to true or false, not to string`,
		`phase == 3`:                            `invalid operation: == (mismatched types string and int) (line 1, column 7)`,
		`elapsed > "10m"`:                       `invalid operation: > (mismatched types time.Duration and string) (line 1, column 9)`,
		`phase ==`:                              `unexpected token EOF (line 1, column 8)`,
		``:                                      `unexpected token EOF (line 1, column 1)`,
		`name matches "("`:                      "error parsing regexp: missing closing ): `(` (line 1, column 6)",
		`now() > date("2026-01-01")`:            `unknown variable "now" (line 1, column 1)`,
		`len(map(1..3, #)) > 0`:                 `unknown function "map"`,
		`repeat(name, 1000000) == ""`:           `unknown variable "repeat"`,
		`reduce(1..99, #acc + #acc, "x") == ""`: `unknown function "reduce"`,
		`toJSON(inputs) == ""`:                  `unknown variable "toJSON"`,
		`let a = name; a + a == ""`:             `let is not supported`,
		`$env["phase"] == "FAILED"`:             `unknown variable "$env"`,
		`__step()`:                              `unknown variable "__step"`,
		`env("HOME") == ""`:                     `unknown variable "env"`,
		strings.Repeat("1+", 2000) + "1 > 0":    `compilation failed: expression exceeds maximum allowed nodes`,
		strings.Repeat(" ", 5000):               `must be at most 4096 bytes, not 5000`,
	} {
		t.Run(text[:min(len(text), 40)], func(t *testing.T) {
			t.Parallel()
			_, err := spec.Compile(text)
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestEvalRefuses(t *testing.T) {
	t.Parallel()
	list := make([]any, 20_000)
	for _, tt := range []struct {
		name, text, want string
		inputs           map[string]any
	}{
		{"a field of nothing", `inputs.absent.field == 1`, "cannot fetch field from <nil> (line 1, column 15)", nil},
		{"no boolean", `inputs.n`, "must come to true or false, not to int", map[string]any{"n": 3}},
		{"types that do not match", `inputs.n > 3`, "invalid operation: string > int (line 1, column 10)", map[string]any{"n": "x"}},
		{"too much memory", `len(1..10000000) > 0`, "memory budget exceeded", nil},
		{"too many inputs", `len(inputs.l) > 0`, "the inputs are too large for an if", map[string]any{"l": list}},
		{"too long inputs", `inputs.s == ""`, "the inputs are too large for an if", map[string]any{"s": strings.Repeat("x", 2<<20)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := spec.Compile(tt.text)
			require.NoError(t, err)
			_, err = c.Eval(spec.Facts{Inputs: tt.inputs})
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestEvalIgnoresLargeInputsThatItDoesNotRead(t *testing.T) {
	t.Parallel()
	c, err := spec.Compile(`phase == "FAILED"`)
	require.NoError(t, err)
	got, err := c.Eval(spec.Facts{Phase: "FAILED", Inputs: map[string]any{"l": make([]any, 20_000)}})
	require.NoError(t, err)
	require.True(t, got)
}

func TestEvalStopsALoopThatTakesTooLong(t *testing.T) {
	t.Parallel()
	list := make([]any, 5_000)
	c, err := spec.Compile(`all(inputs.l, all(inputs.l, all(inputs.l, all(inputs.l, true))))`)
	require.NoError(t, err)
	start := time.Now()
	_, err = c.Eval(spec.Facts{Inputs: map[string]any{"l": list}})
	require.ErrorContains(t, err, "takes longer than 1s")
	require.Less(t, time.Since(start), 30*time.Second)
}

func TestEvalCutsTheErrorsMessage(t *testing.T) {
	t.Parallel()
	c, err := spec.Compile(`len(error.message) <= 65536 && error.message startsWith "ä"`)
	require.NoError(t, err)
	f := spec.Facts{Error: spec.ErrorFacts{Message: strings.Repeat("ä", 1<<20)}}
	got, err := c.Eval(f)
	require.NoError(t, err)
	require.True(t, got)
}

func TestEvalIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	c, err := spec.Compile(`any(inputs.models, .name == user) || phase == "FAILED"`)
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			f := facts()
			f.Phase, f.User = fmt.Sprint(i), []string{"a", "z"}[i%2]
			for range 100 {
				got, err := c.Eval(f)
				if err != nil || got != (i%2 == 0) {
					t.Errorf("evaluation %d: %v, %v", i, got, err)
				}
			}
		})
	}
	group.Wait()
}

func TestConditionKeepsItsText(t *testing.T) {
	t.Parallel()
	c, err := spec.Compile(`phase  ==  "FAILED"`)
	require.NoError(t, err)
	stored, err := json.Marshal(map[string]*spec.Condition{"if": c})
	require.NoError(t, err)
	require.JSONEq(t, `{"if": "phase  ==  \"FAILED\""}`, string(stored))

	var back map[string]*spec.Condition
	require.NoError(t, json.Unmarshal(stored, &back))
	got, err := back["if"].Eval(facts())
	require.NoError(t, err)
	require.True(t, got)
	require.Equal(t, c.String(), back["if"].String())

	require.NoError(t, json.Unmarshal([]byte(`{"if": "phse"}`), &back), "the rules beside it go on")
	_, err = back["if"].Eval(facts())
	require.ErrorContains(t, err, "compile if: unknown variable")
	require.Equal(t, "phse", back["if"].String())
}

func TestVariablesAreWhatTheDocsPromise(t *testing.T) {
	t.Parallel()
	require.Subset(t, spec.Variables(), []string{
		"phase", "elapsed", "labels", "project", "domain", "name", "workflow", "launch_plan", "user", "error", "inputs",
	})
	require.NotContains(t, spec.Variables(), "__step")
}

func FuzzCondition(f *testing.F) {
	for _, seed := range []string{
		`elapsed > duration("10m") && labels["team"] == "ml"`, `any(inputs.models, "x" in .tags)`, `1..3 == [1,2,3]`,
		`error.message matches "a+"`, `{a: 1}.a == 1`, `name[1:2] == "1"`, `sum(filter(1..9, # > 2)) ?? 1 == 3`, `phase | lower() == "x"`,
		`-1 ** 2 == 1`, `not not true`, `if true {true} else {false}`, `inputs?.a?.b == nil`, "`raw` == ``",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := spec.Compile(text)
		if err != nil {
			require.NotContains(t, err.Error(), "cannot be compiled", "expr panicked")
			return
		}
		_, _ = c.Eval(facts()) // must return: neither panic nor hang
	})
}

func BenchmarkConditionEval(b *testing.B) {
	c, err := spec.Compile(`elapsed > duration("10m") && labels["team"] == "ml"`)
	require.NoError(b, err)
	f := facts()
	for b.Loop() {
		if _, err := c.Eval(f); err != nil {
			b.Fatal(err)
		}
	}
}
