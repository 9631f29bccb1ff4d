package render_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/render"
)

func TestDestinationRendersEveryText(t *testing.T) {
	t.Parallel()
	got, err := render.Destination(json.RawMessage(`{
		"channel": "#{{.Labels.team}}-alerts", "to": ["{{.User}}", "b@example.org"], "broadcast": true, "n": 9007199254740993,
		"blocks": [{"{{.Name}}": {"text": "{{.Error}} & {{.Labels.absent}}"}}], "none": null}`), data())

	require.NoError(t, err)
	require.Equal(t, `{"blocks":[{"{{.Name}}":{"text":"ValueError: bad <input> & "}}],"broadcast":true,"channel":"#ml-alerts",`+
		`"n":9007199254740993,"none":null,"to":["ada@example.org","b@example.org"]}`, string(got))
}

func TestDestinationOfNothing(t *testing.T) {
	t.Parallel()
	got, err := render.Destination(nil, data())
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(got))
}

func TestDestinationNamesThePath(t *testing.T) {
	t.Parallel()
	raw := json.RawMessage(`{"to": ["a@example.org", "{{.Inputs.absent.deep}}"], "subject": "{{.Phase}}"}`)

	_, err := render.Destination(raw, data())

	require.ErrorContains(t, err, "render destination: to[1]: line 1:")

	_, err = render.Destination(json.RawMessage(`{"a"`), data())
	require.ErrorContains(t, err, "read destination")
}
