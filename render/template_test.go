package render_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/render"
)

// data returns a failed execution, of which every variable is known.
func data() render.Data {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	return render.Data{
		Project: "flytesnacks", Domain: "development", Name: "f8d3a1", Phase: "FAILED",
		Error: "ValueError: bad <input>", ErrorKind: "USER", ErrorCode: "USER:ValueError",
		Workflow: "ml.train", WorkflowVersion: "v7", LaunchPlan: "ml.nightly", User: "ada@example.org",
		Labels: map[string]string{"team": "ml"}, StartedAt: start, Elapsed: 2*time.Hour + 3*time.Minute + 4*time.Second,
		ConsoleURL: "https://flyte.example.org/console/executions/f8d3a1", FailedNode: "n0-0-n1",
		Rule: "failed", Reason: "phase:FAILED", Run: render.Run{Name: "f8d3a1", Project: "flytesnacks", Domain: "development"},
		Inputs: map[string]any{
			"n": int64(9007199254740993), "rate": 0.5, "whole": int64(3), "text": "a,b", "yes": true, "nothing": nil,
			"list": []any{"x", int64(2)}, "map": map[string]any{"k": "v<"}, "when": "2026-11-22T09:00:00Z", "huge": int64(1) << 60,
		},
		At: start.Add(2 * time.Hour),
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "",
		"plain }} text":                  "plain }} text",
		"{{.Workflow}} {{.Phase}}":       "ml.train FAILED",
		"{{.Run.Project}}/{{.Run.Name}}": "flytesnacks/f8d3a1",
		"{{.Error}}":                     "ValueError: bad <input>",
		"{{$.Phase}}{{with .Labels}}{{.team}}{{$.Domain}}{{end}}": "FAILEDmldevelopment",

		// Absent names print as nothing, and are false.
		"[{{.Inputs.absent}}][{{.Labels.absent}}][{{.Inputs.nothing}}][{{.Node}}]":   "[][][][]",
		`{{if .Labels.absent}}yes{{else}}no{{end}}`:                                  "no",
		`{{if eq .Labels.absent ""}}empty{{end}}{{if eq .Inputs.absent ""}}!{{end}}`: "empty!",
		`{{range .Inputs.absent}}x{{else}}none{{end}}`:                               "none",
		`{{default "-" .Inputs.absent}} {{.User | default "-"}}`:                     "- ada@example.org",

		// Values.
		"{{.Inputs.n}} {{.Inputs.rate}} {{.Inputs.yes}}":          "9007199254740993 0.5 true",
		"{{.Inputs.list}} {{.Inputs.map}}":                        `["x",2] {"k":"v<"}`,
		"{{.Inputs.map.k}} {{index .Inputs.list 1}}":              "v< 2",
		"{{.StartedAt}} {{.StartedAt.Format `15:04`}}":            "2026-11-22T09:00:00Z 09:00",
		"{{.Elapsed}} {{.Elapsed.Minutes | printf `%.0f`}}":       "2h3m4s 123",
		"{{len .Inputs.list}} {{.Repeat}} {{slice .Name 0 2}}":    "2 0 f8",
		"{{(.At.Sub .StartedAt)}} {{.At.Unix}} {{.At.IsZero}}":    "2h 1795345200 false",
		"{{range $i, $e := .Inputs.list}}{{$i}}={{$e}};{{end}}":   "0=x;1=2;",
		"{{range .Inputs.list}}{{break}}{{end}}{{/* nothing */}}": "",

		// Functions, the text last.
		"{{.Phase | lower | title}} {{upper .Domain}}":                                           "Failed DEVELOPMENT",
		`{{title "don't stop-me nöw"}}{{trim "  x "}}`:                                           "Don't Stop-Me Nöwx",
		`{{trunc 3 "äöüß"}} {{trunc -2 "äöüß"}} {{trunc 9 "ä"}}`:                                 "äöü üß ä",
		`{{replace "a" "b" "banana"}} {{quote "a\"b"}}`:                                          `bbnbnb "a\"b"`,
		"{{indent 2 \"a\\nb\"}}":                                                                 "  a\n  b",
		`{{contains "Value" .Error}} {{hasPrefix "x" "xy"}} {{hasSuffix "x" "xy"}}`:              "true true false",
		`{{split "," .Inputs.text | join "+"}} {{join "" .Inputs.absent}}`:                       "a+b ",
		`{{duration .Elapsed}} {{duration 90}} {{duration "1.0006s"}} {{duration .Inputs.rate}}`: "2h3m4s 1m30s 1s 500ms",
		`{{date "15:04 MST" "Europe/Paris" .StartedAt}} {{date "2006" "" .Inputs.when}}`:         "10:00 CET 2026",
		`[{{date "15:04" "UTC" .Inputs.absent}}]`:                                                "[]",
		`{{toJson .Labels}} {{toJson .Error}}`:                                                   `{"team":"ml"} "ValueError: bad <input>"`,
		`{{print 1 2 "a" .Repeat}}|{{println "x" 1}}`:                                            "1 2a0|x 1\n",
		`{{printf "%5.1f|%-4s|%03d|%q|%v%%" .Inputs.rate "a" 7 "b" .Elapsed}}`:                   `  0.5|a   |007|"b"|2h3m4s%`,
		`{{html "<"}}{{js "'"}}{{urlquery "a b&" .Repeat}}`:                                      `&lt;\'a+b%260`,

		// Numbers compare whatever their type is.
		"{{gt .Inputs.whole 0.5}} {{lt .Inputs.rate 1}} {{eq .Inputs.whole 3.0}}":                          "true true true",
		"{{eq .Inputs.n 9007199254740992}} {{ge .Inputs.huge 0}} {{le 1 1 }}":                              "false true true",
		`{{gt .Elapsed "10m"}} {{lt .Elapsed "10m"}} {{ne .Phase "FAILED"}}`:                               "true false false",
		`{{eq .Phase "ABORTED" "FAILED"}} {{lt .StartedAt .At}} {{eq .Inputs.yes true}} {{eq true false}}`: "true true true false",
		`{{gt .At "2026-01-01T00:00:00Z"}} {{and .Inputs.yes (not .Node)}}`:                                "true true",

		// An else-if chain is one level.
		"{{if .Node}}a{{else if .Rule}}b{{else if .User}}c{{else if .Name}}d{{end}}":    "b",
		"{{range .Inputs.list}}{{if .}}{{.}}{{else if $.Name}}b{{else}}c{{end}}{{end}}": "x2",
		"{{with .Node}}a{{else with .Rule}}{{.}}{{else with .User}}{{end}}":             "failed",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, render.Check(text))

			got, err := render.String(text, data())

			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{{":                                            "line 1: unclosed action",
		"a\n{{if}}{{end}}":                              "line 2: missing value for if",
		"{{.Foo}}":                                      "line 1:2: unknown variable .Foo",
		"\n{{.Worflow}}":                                "line 2:2: unknown variable .Worflow, did you mean .Workflow?",
		"{{.phase}}":                                    "did you mean .Phase?",
		"{{$.Erorr}}":                                   "unknown variable .Erorr, did you mean .Error?",
		"{{.Run.Nme}}":                                  "unknown variable .Run.Nme, did you mean .Run.Name?",
		"{{.Project.Name}}":                             "unknown variable .Project.Name",
		"{{.StartedAt.Local}}":                          "unknown variable .StartedAt.Local",
		"{{.StartedAt.AppendFormat .X .Y}}":             "unknown variable .StartedAt.AppendFormat",
		"{{if .Node}}{{.Nod}}{{end}}":                   "did you mean .Node?",
		"{{with .Labels}}{{$.Labls}}{{end}}":            "did you mean .Labels?",
		"{{range .Inputs}}{{else}}{{.X}}{{end}}":        "unknown variable .X",
		"{{printf \"%s\" (.Phse | lower)}}":             "did you mean .Phase?",
		"{{.Phase | uper}}":                             "line 1:11: unknown function uper, did you mean upper?",
		"{{env \"HOME\"}}":                              "unknown function env",
		"{{call .Phase}}":                               "unknown function call",
		"{{_xyz}}":                                      "unknown function _xyz",
		`{{define "x"}}y{{end}}`:                        "define and block are not supported",
		`{{define "template"}}y{{end}}`:                 "define and block are not supported",
		`{{block "x" .}}y{{end}}`:                       "define and block are not supported",
		`{{template "x"}}`:                              "template is not supported",
		"{{range 10}}x{{end}}":                          "range over a number is not supported",
		"{{range $i := 10}}x{{end}}":                    "range over a number is not supported",
		"{{if 1}}{{if 1}}{{if 1}}{{end}}{{end}}{{end}}": "nested over 2 deep",
		"{{with .Run}}{{range .Name}}{{with .X}}{{end}}{{end}}{{end}}": "nested over 2 deep",
		"{{if 1}}{{else}}x{{if 1}}{{if 1}}{{end}}{{end}}{{end}}":       "nested over 2 deep",
		strings.Repeat("x", 64<<10+1):                                  "is 65537 bytes long, over the limit of 65536",
	} {
		t.Run(text[:min(len(text), 40)], func(t *testing.T) {
			t.Parallel()
			err := render.Check(text)
			require.ErrorContains(t, err, want)
			_, err = render.String(text+"{{/**/}}", data())
			require.Error(t, err)
		})
	}
}

func TestStringFails(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\n{{.Inputs.absent.deep}}":           "line 2:",
		"{{index .Inputs.list 5}}":             "index out of range",
		"{{lt .Phase 1}}":                      "cannot compare string with int",
		"{{eq .Elapsed 5}}":                    "cannot compare time.Duration with int",
		"{{eq .Inputs.list 5}}":                "cannot compare []interface {} with int",
		`{{date "15" "Local" .At}}`:            `zone "Local" depends on the server`,
		`{{date "15" "Mars/Base" .At}}`:        "unknown time zone Mars/Base",
		`{{date "15" "../../etc/passwd" .At}}`: "invalid location name",
		`{{date "15" "" .Phase}}`:              "error calling date: parsing time",
		`{{date "15" "" 5}}`:                   "calling date: int is not a time",
		`{{duration "soon"}}`:                  "invalid duration",
		`{{duration .Labels}}`:                 "neither a duration nor a number",
		`{{join "," .Phase}}`:                  "string is not a list",
		`{{indent 101 .Phase}}`:                "not between 0 and 100",
		`{{printf "%1001d" 5}}`:                "width over 1000",
		`{{printf "%.9999999999999f" 5}}`:      "width over 1000",
		`{{printf "%*d" 5 5}}`:                 "unknown verb %*d",
		`{{printf "%[1]s" "x"}}`:               "unknown verb",
		`{{printf "%p" .Labels}}`:              "unknown verb",
		`{{printf "%"}}`:                       "without a verb",
		`{{printf "%s"}}`:                      "no value for %s",
		`{{printf "x" 1 2}}`:                   "2 values too many",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, render.Check(text))
			out, err := render.String(text, data())
			require.ErrorContains(t, err, want)
			require.Empty(t, out)
			require.NotContains(t, err.Error(), "_show")
		})
	}
}

func TestHostileTemplatesEnd(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 60<<10)
	twice := `{{$x := .Inputs.big}}` + strings.Repeat(`{{$x = print $x $x}}`, 3000)
	for name, c := range map[string]struct{ text, want string }{
		"range over a huge number":     {"{{range .Inputs.huge}}{{end}}", "over more than 10,000 elements"},
		"range in a range":             {"{{range .Inputs.some}}{{range $.Inputs.some}}{{end}}{{end}}", "over more than 10,000 elements"},
		"long body":                    {"{{range .Inputs.some}}" + strings.Repeat("{{$y := .}}", 5000) + "{{end}}", "too much work"},
		"doubling":                     {twice, "too much work"},
		"doubling in a range":          {`{{$x := "x"}}{{range .Inputs.some}}{{$x = print $x $x}}{{end}}`, "too much work"},
		"large values again and again": {`{{range .Inputs.some}}{{$x := toJson $.Inputs}}{{end}}`, "too much work"},
		"printf in a range":            {`{{range .Inputs.some}}{{$x := printf "` + strings.Repeat("%1000d%%", 60) + `" ` + strings.Repeat("1 ", 60) + `}}{{end}}`, "too much work"},
		"replace":                      {`{{range .Inputs.some}}{{$x := replace "x" $.Inputs.big $.Inputs.big}}{{end}}`, "too much work"},
		"split":                        {`{{range .Inputs.some}}{{$x := split "" $.Inputs.big}}{{end}}`, "too much work"},
		"comparing":                    {`{{range .Inputs.some}}{{if eq $.Inputs.big $.Inputs.big}}{{end}}{{end}}`, "too much work"},
		"zones":                        {`{{range .Inputs.many}}{{$x := date "" "Europe/Paris" $.At}}{{end}}`, "too much work"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := data()
			d.Inputs["big"], d.Inputs["some"], d.Inputs["many"] = big, make([]any, 1000), make([]any, 9900)
			require.NoError(t, render.Check(c.text))
			began := time.Now()

			_, err := render.String(c.text, d)

			require.ErrorContains(t, err, c.want)
			require.Less(t, time.Since(began), 2*time.Minute)
		})
	}
}

func TestOutputIsCut(t *testing.T) {
	t.Parallel()
	d := data()
	d.Inputs["big"] = strings.Repeat("ä", 50<<10)
	for name, text := range map[string]string{
		"plain":    strings.Repeat("ä", 50<<10),
		"value":    "{{.Inputs.big}}",
		"function": "{{upper .Inputs.big}}",
		"json":     "{{toJson .Inputs.big}}",
		"printf":   `{{printf "%s%s" .Inputs.big .Inputs.big}}`,
		"join":     `{{join .Inputs.big (split "" .Inputs.big)}}`,
		"replace":  `{{replace "ä" "ää" .Inputs.big}}`,
		"many":     "{{.Inputs.big}}{{.Inputs.big}}{{.Inputs.big}}",
		"range":    "{{range .Inputs.huge}}{{$.Inputs.big}}{{end}}",
		"static":   "{{.Name}}" + strings.Repeat("ä", 32<<10-10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := render.String(text, d)

			require.NoError(t, err)
			require.LessOrEqual(t, len(got), 64<<10)
			require.Greater(t, len(got), 63<<10)
			require.True(t, utf8.ValidString(got))
			if name != "static" {
				require.True(t, strings.HasSuffix(got, "…"))
			}
		})
	}
}

func TestIsTemplate(t *testing.T) {
	t.Parallel()
	require.True(t, render.IsTemplate("a{{.Name}}"))
	require.False(t, render.IsTemplate("#alerts }} {"))
}

// A template is compiled once: executions that follow each other, or run at the same time, must not see
// each other's data or what the other has used of its bounds.
func TestExecutionsOfOneTemplateAreApart(t *testing.T) {
	t.Parallel()
	const text = `{{.Name}}{{range split "," .Inputs.many}}{{trunc 0 .}}{{end}}`
	many := strings.Repeat(",", 9_000) // of 10,000 rounds
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			d := data()
			d.Name, d.Inputs = fmt.Sprint("f", i), map[string]any{"many": many}
			for range 5 {
				got, err := render.String(text, d)
				if err != nil || got != d.Name {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	all.Wait()
}
