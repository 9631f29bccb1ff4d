package spec_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

func TestVariablesOfACondition(t *testing.T) {
	t.Parallel()
	f := spec.Facts{
		Phase: "FAILED", Elapsed: 90 * time.Second, Labels: map[string]string{"team": "ml"}, User: "ada",
		Error:  spec.ErrorFacts{Kind: "USER"},
		Inputs: map[string]any{"rows": int64(3), "deep": map[string]any{"a b": []any{"x"}}},
	}
	for text, want := range map[string][]spec.Value{
		`true`: nil,
		`phase == "FAILED" && elapsed > duration("1m") && phase != ""`: {{Name: "phase", Value: "FAILED"}, {Name: "elapsed", Value: 90 * time.Second}},
		`labels["team"] == "ml" || labels.owner == ""`:                 {{Name: `labels["team"]`, Value: "ml"}, {Name: `labels["owner"]`, Value: ""}},
		`error.kind == "USER" && error["code"] == ""`:                  {{Name: "error.kind", Value: "USER"}, {Name: "error.code", Value: ""}},
		`inputs.rows > 2 && inputs.deep["a b"][0] == "x"`:              {{Name: "inputs.rows", Value: int64(3)}, {Name: `inputs.deep["a b"]`, Value: []any{"x"}}},
		`inputs?.gone?.more == nil`:                                    {{Name: "inputs.gone.more", Value: nil}},
		`any(inputs.deep["a b"], # == user) || user in ["bob"]`:        {{Name: `inputs.deep["a b"]`, Value: []any{"x"}}, {Name: "user", Value: "ada"}},
		`labels[user] == "" && "team" in labels`:                       {{Name: "labels", Value: map[string]string{"team": "ml"}}, {Name: "user", Value: "ada"}},
		`len(get(labels, "team")) == 2`:                                {{Name: "labels", Value: map[string]string{"team": "ml"}}},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			c, err := spec.Compile(text)
			require.NoError(t, err)
			got, err := c.Values(f)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Len(t, c.Variables(), len(want))
			for i, name := range c.Variables() {
				require.Equal(t, want[i].Name, name)
			}
		})
	}
}

func TestVariablesOfAConditionThatNoLongerCompiles(t *testing.T) {
	t.Parallel()
	var c spec.Condition
	require.NoError(t, c.UnmarshalText([]byte("phaze == 1")))
	require.Empty(t, c.Variables())
	_, err := c.Values(spec.Facts{})
	require.ErrorContains(t, err, "unknown variable")
}
