package render_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
)

func TestDestinationRendersEveryText(t *testing.T) {
	t.Parallel()
	got, left, err := render.Destination(json.RawMessage(`{
		"channel": "#{{.Labels.team}}-alerts", "to": ["{{.User}}", "b@example.org"], "broadcast": true, "n": 9007199254740993,
		"blocks": [{"{{.Name}}": {"text": "{{.Error}} & {{.Labels.absent}}"}}], "none": null}`), nil, data(), nil)

	require.NoError(t, err)
	require.Empty(t, left)
	require.Equal(t, `{"blocks":[{"{{.Name}}":{"text":"ValueError: bad <input> & "}}],"broadcast":true,"channel":"#ml-alerts",`+
		`"n":9007199254740993,"none":null,"to":["ada@example.org","b@example.org"]}`, string(got))
}

func TestDestinationOfNothing(t *testing.T) {
	t.Parallel()
	got, _, err := render.Destination(nil, nil, data(), nil)
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(got))
}

// TestWhatATemplateDoesNotGiveIsLeftOut and named by its path, wherever it stands; what is written out is not its affair.
func TestWhatATemplateDoesNotGiveIsLeftOut(t *testing.T) {
	t.Parallel()
	raw := json.RawMessage(`{"to": ["a@example.org", "{{.Inputs.absent.deep}}", "{{.Labels.absent}}", "{{.User}}", "{{.Phase}}", ""],
		"subject": "{{.Inputs.absent.deep}}", "list": ["{{.Labels.absent}}"], "of": {"it": "{{.Labels.absent}}", "on": "{{.Phase}}"}}`)
	wrong := func(tree any) (all []notifier.Problem) {
		for i, to := range tree.(map[string]any)["to"].([]any) {
			if !strings.Contains(to.(string), "@") {
				all = append(all, notifier.Problem{Path: fmt.Sprintf("to[%d]", i), Text: "no address: " + to.(string)})
			}
		}
		return all
	}

	got, left, err := render.Destination(raw, nil, data(), wrong)

	require.NoError(t, err)
	require.Equal(t, `{"list":[],"of":{"on":"FAILED"},"to":["a@example.org","ada@example.org",""]}`, string(got))
	require.Len(t, left, 3)
	require.Equal(t, "subject", left[0].Path)
	require.Regexp(t, "^to\\[1\\]: line 1:", left[1].String())
	require.Equal(t, "to[4]: no address: FAILED", left[2].String())

	_, _, err = render.Destination(json.RawMessage(`{"a"`), nil, data(), nil)
	require.ErrorContains(t, err, "read destination")
}

// shaped is a destination whose key `look` takes care of itself.
type shaped struct{ notifier.Destination }

func (shaped) ShapeKey() string               { return "look" }
func (shaped) CheckShape() []notifier.Problem { return nil }
func (shaped) Shape(value any, render notifier.RenderText) any {
	text, err := render(value.(string), func(before, value string) string { return "(" + before + "|" + value + ")" })
	if err != nil {
		return "failed: " + err.Error()
	}
	return text
}

func TestAShapeRendersItself(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ look, want string }{
		{"<{{.Phase}}> {{if .Name}}yes{{end}}{{$x := .Name}} {{.Labels.absent}}", "<(<|FAILED)> yes (<(<|FAILED)> yes |)"},
		{"plain (text)", "plain (text)"},
		{"{{.Inputs.absent.deep}}", "failed: line 1:"},
	} {
		raw, err := json.Marshal(map[string]string{"look": tc.look, "to": "{{.Phase}}"})
		require.NoError(t, err)
		got, _, err := render.Destination(raw, shaped{}, data(), nil)
		require.NoError(t, err, "a shape never loses the message")
		var keys map[string]string
		require.NoError(t, json.Unmarshal(got, &keys))
		require.Equal(t, "FAILED", keys["to"])
		require.True(t, strings.HasPrefix(keys["look"], tc.want), "%q", keys["look"])
	}
	got, _, err := render.Destination(json.RawMessage(`{"to": "a"}`), shaped{}, data(), nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"to": "a"}`, string(got))
}

func TestWhatCameBeforeIsBounded(t *testing.T) {
	t.Parallel()
	longest := 0
	_, err := render.Inserting(strings.Repeat("x", 5000)+"{{.Phase}}", data(), func(before, value string) string {
		longest = len(before)
		return value
	})
	require.NoError(t, err)
	require.Equal(t, 1024, longest)
}
