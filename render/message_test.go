package render_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
)

// update rewrites the golden files: go test ./render -update
var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// atPhase is data in this phase, without what such an execution does not have.
func atPhase(phase string) render.Data {
	d := data()
	d.Phase, d.Reason = phase, "phase:"+phase
	switch phase {
	case "FAILED", "FAILING":
		return d
	case "TIMED_OUT":
		d.Error, d.ErrorKind, d.ErrorCode = "ran longer than 2h", "SYSTEM", ""
		return d
	case "ABORTED", "ABORTING":
		d.Error, d.ErrorKind, d.ErrorCode = "wrong data set", "ABORTED", ""
	case "QUEUED", "UNDEFINED":
		d.StartedAt, d.Elapsed = time.Time{}, 0
		fallthrough
	default:
		d.Error, d.ErrorKind, d.ErrorCode = "", "", ""
	}
	d.FailedNode = ""
	return d
}

func TestDefaultMessageOfEveryPhase(t *testing.T) {
	t.Parallel()
	for phase, status := range map[string]notifier.Status{
		"UNDEFINED": notifier.Info, "QUEUED": notifier.Info, "RUNNING": notifier.Info, "SUCCEEDING": notifier.Info,
		"SUCCEEDED": notifier.Success, "FAILING": notifier.Warning, "FAILED": notifier.Failure,
		"ABORTING": notifier.Warning, "ABORTED": notifier.Warning, "TIMED_OUT": notifier.Failure,
		// Phases that only nodes have.
		"SKIPPED": notifier.Info, "DYNAMIC_RUNNING": notifier.Info, "RECOVERED": notifier.Info,
	} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			d := atPhase(phase)

			m, err := render.Message(render.Content{Data: d}, "key-1")

			require.NoError(t, err)
			require.Equal(t, status, m.Status)
			require.Equal(t, "ml.train "+phase, m.Title)
			require.Equal(t, d.Error, m.Error)
			text := flat(m)
			require.Contains(t, text, d.Name)
			require.Contains(t, text, d.ConsoleURL)
			m.Vars = nil
			golden(t, "default/"+phase+".json", indented(t, m))
		})
	}
}

// flat is all that readers see of a message.
func flat(m notifier.Message) string {
	parts := []string{m.Title, m.Body, m.Error}
	for _, f := range m.Facts {
		parts = append(parts, f.Name+": "+f.Value+" "+f.URL)
	}
	for _, l := range m.Links {
		parts = append(parts, l.Text+" "+l.URL)
	}
	return strings.Join(append(parts, m.Notes...), "\n")
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(v))
	return out.Bytes()
}

func TestDefaultMessageOfANodeAndAReminder(t *testing.T) {
	t.Parallel()
	d := atPhase("RUNNING")
	d.Node, d.Reason, d.Repeat = "n2", "running_for:2h0m0s", 3

	m, err := render.Message(render.Content{Data: d}, "k")

	require.NoError(t, err)
	require.Equal(t, "Reminder 3: ml.train node n2 has been running for 2h", m.Title)
	require.Contains(t, m.Facts, notifier.Fact{Name: "Node", Value: "n2"})
	require.Contains(t, m.Facts, notifier.Fact{Name: "Reason", Value: "running_for:2h0m0s"})
	require.Contains(t, m.Facts, notifier.Fact{Name: "Reminder", Value: "3"})
}

func TestMessageWithoutFactsIsStillOne(t *testing.T) {
	t.Parallel()

	m, err := render.Message(render.Content{}, "k")
	require.NoError(t, err)
	require.Equal(t, "Flyte execution", m.Title)
	require.Empty(t, m.Facts)
	require.Empty(t, m.Links)

	m, err = render.Message(render.Content{Data: render.Data{Name: "f1", Phase: "FAILED", ConsoleURL: "javascript:alert(1)", Reason: "send"}}, "k")
	require.NoError(t, err)
	require.Equal(t, "Execution f1 FAILED", m.Title)
	require.Equal(t, []notifier.Fact{{Name: "Phase", Value: "FAILED"}, {Name: "Execution", Value: "f1"}}, m.Facts)
	require.Empty(t, m.Links)
}

func TestTemplateReplacesItsPart(t *testing.T) {
	t.Parallel()
	plain, err := render.Message(render.Content{Data: data()}, "k")
	require.NoError(t, err)

	titled, err := render.Message(render.Content{Data: data(), Template: render.Template{Title: "{{.Workflow}}\n is {{.Phase}} "}}, "k")
	require.NoError(t, err)
	require.Equal(t, "ml.train is FAILED", titled.Title)
	titled.Title = plain.Title
	require.Equal(t, plain, titled, "the rest stays")

	bodied, err := render.Message(render.Content{Data: data(), Template: render.Template{Body: "See\n{{.Error}}\n"}}, "k")
	require.NoError(t, err)
	require.Equal(t, plain.Title, bodied.Title)
	require.Equal(t, "See\nValueError: bad <input>", bodied.Body)
	require.Empty(t, bodied.Facts)
	require.Empty(t, bodied.Error)
	require.Equal(t, plain.Links, bodied.Links)

	blank, err := render.Message(render.Content{Data: data(), Template: render.Template{Title: "{{.Node}}", Body: " {{.Node}}\n"}}, "k")
	require.NoError(t, err)
	require.Equal(t, plain, blank, "what renders to nothing leaves the default")
}

func TestFailingTemplateGivesTheDefaultAndSaysSo(t *testing.T) {
	t.Parallel()
	want, err := render.Message(render.Content{Data: data()}, "k")
	require.NoError(t, err)
	for part, template := range map[string]render.Template{
		"render title: line 1:": {Title: "{{.Inputs.absent.deep}}", Body: "good"},
		"render body: line 2:":  {Title: "good", Body: "\n{{index .Inputs.list 7}}"},
	} {
		m, err := render.Message(render.Content{Data: data(), Template: template}, "k")

		require.ErrorContains(t, err, part)
		require.Len(t, m.Notes, 1)
		require.Contains(t, m.Notes[0], "This is the default message")
		require.Contains(t, m.Notes[0], part)
		m.Notes = nil
		require.Equal(t, want, m)
	}
}

func TestHostileValuesAreCleaned(t *testing.T) {
	t.Parallel()
	d := data()
	d.Workflow = "a\r\nBcc: x@example.org\x00\u202Eb"
	d.User = "ada\n\n" + strings.Repeat("x", 1000)
	d.Error = "\x1b[31mred\x1b[0m\r\n\x1b]0;title\abell\x1b\\ \xff\tend\rnext\u2028line"

	m, err := render.Message(render.Content{Data: d, Template: render.Template{Title: "{{.Workflow}}"}}, "k")

	require.NoError(t, err)
	require.Equal(t, "a Bcc: x@example.orgb", m.Title)
	require.Equal(t, "red\nbell \uFFFD\tend\nnext\nline", m.Error)
	for _, f := range m.Facts {
		require.LessOrEqual(t, utf8.RuneCountInString(f.Value), 300)
		require.NotContains(t, f.Value, "\n")
	}
}

func TestLongErrorKeepsHeadAndTail(t *testing.T) {
	t.Parallel()
	d := data()
	d.Error = "Traceback:\n" + strings.Repeat("  File \"x.py\", line 1\n", 5000) + "ValueError: ä the cause"

	m, err := render.Message(render.Content{Data: d}, "k")

	require.NoError(t, err)
	require.True(t, strings.HasPrefix(m.Error, "Traceback:\n  File"), m.Error)
	require.True(t, strings.HasSuffix(m.Error, "line 1\nValueError: ä the cause"))
	require.Regexp(t, `line 1\n… 10[0-9]{4} characters left out …\n  File`, m.Error)
	require.InDelta(t, 2000, utf8.RuneCountInString(m.Error), 200)

	d.Error = strings.Repeat("ö", 3000) // no line breaks to cut at
	m, err = render.Message(render.Content{Data: d}, "k")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ö", 666)+"\n… 1001 characters left out …\n"+strings.Repeat("ö", 1333), m.Error)
}

func TestVarsHoldEveryVariable(t *testing.T) {
	t.Parallel()
	m, err := render.Message(render.Content{Data: data()}, "k")
	require.NoError(t, err)
	for _, name := range strings.Fields(`Org Project Domain Name Phase Error ErrorKind ErrorCode Workflow WorkflowVersion LaunchPlan
		User Labels StartedAt Elapsed ConsoleURL Node FailedNode Rule Reason Repeat Inputs Run At`) {
		require.Contains(t, m.Vars, name)
		require.NoError(t, render.Check("{{."+name+"}}"))
	}
	raw, err := json.Marshal(m.Vars)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"Elapsed":"2h3m4s"`)
	require.Contains(t, string(raw), `"StartedAt":"2026-11-22T09:00:00Z"`)
	require.Contains(t, string(raw), `"n":9007199254740993`)
}

func TestContentSurvivesItsStorage(t *testing.T) {
	t.Parallel()
	c := render.Content{Data: data(), Template: render.Template{Title: "t", Body: "b"}}
	raw, err := c.Marshal()
	require.NoError(t, err)

	got, err := render.Unmarshal(raw)

	require.NoError(t, err)
	require.Equal(t, c, got)

	got, err = render.Unmarshal([]byte(`{"Data": {"Inputs": {"a": [18446744073709551615, 1e3, 5, {"b": 1.5}], "c": 1e999}}}`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": []any{uint64(18446744073709551615), 1000.0, int64(5), map[string]any{"b": 1.5}}, "c": "1e999"}, got.Data.Inputs)

	_, err = render.Unmarshal([]byte(`{`))
	require.ErrorContains(t, err, "read message content")
}

func TestInputsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	got, err := render.Inputs([]byte(`{"n": 9007199254740993, "f": 0.5, "list": [1, "a", null]}`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"n": int64(9007199254740993), "f": 0.5, "list": []any{int64(1), "a", nil}}, got)

	got, err = render.Inputs(nil)
	require.NoError(t, err)
	require.Empty(t, got)

	_, err = render.Inputs([]byte(`[1]`))
	require.ErrorContains(t, err, "read inputs")
}

func TestMessageIsAlwaysFitToShow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := render.Data{
			Name: rapid.String().Draw(t, "name"), Phase: rapid.String().Draw(t, "phase"), Workflow: string(rapid.SliceOf(rapid.Byte()).Draw(t, "workflow")),
			Error: strings.Repeat(rapid.String().Draw(t, "error"), rapid.IntRange(0, 3000).Draw(t, "times")),
			User:  rapid.String().Draw(t, "user"), ConsoleURL: rapid.String().Draw(t, "url"),
		}
		m, err := render.Message(render.Content{Data: d, Template: render.Template{Body: "{{.Inputs.a}}{{.User}}"}}, "k")
		if err != nil {
			t.Fatal(err)
		}
		if m.Title == "" || strings.ContainsAny(m.Title, "\n\r") || utf8.RuneCountInString(m.Title) > 250 {
			t.Fatalf("title %q", m.Title)
		}
		for _, r := range flat(m) {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Fatalf("control character %U", r)
			}
		}
		if !utf8.ValidString(flat(m)) || utf8.RuneCountInString(m.Error) > 2100 {
			t.Fatalf("error %q", m.Error)
		}
	})
}

func TestMarkdownIsOfTheBodyOnly(t *testing.T) {
	t.Parallel()
	made := func(c render.Content) notifier.Message {
		m, _ := render.Message(c, "k")
		return m
	}
	template := render.Template{Body: "**{{.Phase}}**", Markdown: true}
	require.True(t, made(render.Content{Data: data(), Template: template}).Markdown)
	require.False(t, made(render.Content{Data: data(), Template: render.Template{Title: "t", Markdown: true}}).Markdown, "the default body")
	require.False(t, made(render.Content{Data: data(), Template: render.Template{Body: "{{.Foo}}", Markdown: true}}).Markdown, "a template that fails")
	require.False(t, made(render.NewDigest([]render.Content{{Data: data(), Template: template}})).Markdown)
}

// An error text is somebody else's: in a Markdown body it is shown, and means nothing.
func TestWhatActionsPrintIsNoMarkdown(t *testing.T) {
	t.Parallel()
	d := data()
	d.Error = "[Approve the run](https://evil.example)\n```\n# heading"
	d.Inputs = map[string]any{"table": "**a** \ufdd0"}
	for body, want := range map[string]string{
		"**{{.Phase}}** {{.Error}}":    "**FAILED** [Approve the run\\](https://evil.example)\n\\`\\`\\`\n\\# heading",
		"```\n{{.Error}}\n```\n*end*":  "```\n[Approve the run](https://evil.example)\nˋˋˋ\n# heading\n```\n*end*",
		"{{printf \"%s\" .Error}}":     "[Approve the run\\](https://evil.example)\n\\`\\`\\`\n\\# heading",
		"{{raw .Inputs.table}}":        "**a**",
		"{{.Inputs.table | raw}} b":    "**a**  b",
		"{{raw .Inputs.table | trim}}": `\*\*a\*\*`,
		"{{$x := raw .Inputs.table}}{{range $i, $e := split \" \" $x}}{{$e}}{{end}}": `\*\*a\*\*`,
		"\ufdd0 {{.Phase}}": "FAILED",
		"{{.Nope}}":         "",
	} {
		m, err := render.Message(render.Content{Data: d, Template: render.Template{Body: body, Markdown: true}}, "d-1")
		if want == "" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err, body)
		require.Equal(t, want, m.Body, body)
	}
	m, err := render.Message(render.Content{Data: d, Template: render.Template{Body: "{{raw .Error}}"}}, "d-1")
	require.NoError(t, err)
	require.Equal(t, d.Error, m.Body, "text needs no escapes")
}

func TestTheConsolesAddressIsAWebPage(t *testing.T) {
	t.Parallel()
	for raw, shown := range map[string]bool{
		"https://flyte.example.org/console/x": true, "http://:80/": false, "https://me:pw@flyte.example.org/": false, "javascript:alert(1)": false, "": false,
	} {
		d := data()
		d.ConsoleURL = raw
		m, err := render.Message(render.Content{Data: d}, "d-1")
		require.NoError(t, err)
		require.Equal(t, shown, len(m.Links) == 1, raw)
	}
}
