package render_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
)

func TestDestinationRendersEveryText(t *testing.T) {
	t.Parallel()
	got, err := render.Destination(json.RawMessage(`{
		"channel": "#{{.Labels.team}}-alerts", "to": ["{{.User}}", "b@example.org"], "broadcast": true, "n": 9007199254740993,
		"blocks": [{"{{.Name}}": {"text": "{{.Error}} & {{.Labels.absent}}"}}], "none": null}`), nil, data())

	require.NoError(t, err)
	require.Equal(t, `{"blocks":[{"{{.Name}}":{"text":"ValueError: bad <input> & "}}],"broadcast":true,"channel":"#ml-alerts",`+
		`"n":9007199254740993,"none":null,"to":["ada@example.org","b@example.org"]}`, string(got))
}

func TestDestinationOfNothing(t *testing.T) {
	t.Parallel()
	got, err := render.Destination(nil, nil, data())
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(got))
}

func TestDestinationNamesThePath(t *testing.T) {
	t.Parallel()
	raw := json.RawMessage(`{"to": ["a@example.org", "{{.Inputs.absent.deep}}"], "subject": "{{.Phase}}"}`)

	_, err := render.Destination(raw, nil, data())

	require.ErrorContains(t, err, "render destination: to[1]: line 1:")

	_, err = render.Destination(json.RawMessage(`{"a"`), nil, data())
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
		got, err := render.Destination(raw, shaped{}, data())
		require.NoError(t, err, "a shape never loses the message")
		var keys map[string]string
		require.NoError(t, json.Unmarshal(got, &keys))
		require.Equal(t, "FAILED", keys["to"])
		require.True(t, strings.HasPrefix(keys["look"], tc.want), "%q", keys["look"])
	}
	got, err := render.Destination(json.RawMessage(`{"to": "a"}`), shaped{}, data())
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
