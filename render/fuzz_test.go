package render_test

import (
	"testing"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/render"
)

// FuzzTemplate looks for templates that panic, hang, or grow past the limit. The engine's own
// time limit for one input is what finds those that hang.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"{{.Workflow}} {{.Phase}}", "{{.Error | trunc 200 | quote}}", `{{printf "%5.1f %q" .Inputs.rate .User}}`,
		"{{range $i, $e := .Inputs.list}}{{if $i}}, {{end}}{{$e}}{{else}}none{{end}}", "{{with .Labels}}{{.team}}{{end}}",
		`{{date "15:04" "Europe/Paris" .StartedAt}}{{duration .Elapsed}}`, "{{range .Inputs.huge}}{{break}}{{end}}",
		`{{if gt .Elapsed "10m"}}a{{else if eq .Inputs.whole 3.0}}b{{end}}`, `{{$x := split "" .Error}}{{$x = join "a" $x}}{{$x}}`,
		`{{define "x"}}{{end}}`, "{{range 10}}{{end}}", "{{(index .Inputs.list 0) | js | html | urlquery}}", "{{- /* c */ -}}", "{{.StartedAt.Add .Elapsed}}",
		"{{and 1 (or 0 nil) (not .Inputs.map.k)}}", "{{slice .Name 1 2}}{{len .Inputs}}", `{{indent 100 (replace "" "\n" .Error)}}`, "{{(.Run).Name}}{{$}}{{.}}",
		"{{.Inputs.map.k.deeper}}", `{{print nil}}{{println 1.5e300 'x' 1i}}`, "{{while}}", "{{_round 5}}{{_show .}}",
	} {
		f.Add(seed)
	}
	d := data()
	f.Fuzz(func(t *testing.T, text string) {
		checked := render.Check(text)
		got, err := render.String(text, d)
		if checked != nil && err == nil && render.IsTemplate(text) {
			t.Fatalf("%q is refused (%v) and yet renders", text, checked)
		}
		if len(got) > 64<<10 {
			t.Fatalf("%d bytes", len(got))
		}
		m, _ := render.Message(render.Content{Data: d, Template: render.Template{Title: text, Body: text}}, "k")
		if m.Title == "" || !utf8.ValidString(m.Title+m.Body) {
			t.Fatalf("message %q %q", m.Title, m.Body)
		}
	})
}
