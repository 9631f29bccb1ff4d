package slack_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// posted sends m to a simulated Slack, which refuses what is over Slack's limits, and returns
// what arrived.
func posted(t testing.TB, m notifier.Message) slacksim.Message {
	t.Helper()
	sim, n := workspace(t, slacksim.Options{})
	_, err := n.Send(t.Context(), channel("general"), m)
	require.NoError(t, err)
	return sim.Messages("general")[0]
}

const console = "https://flyte.example.org/console/projects/flytesnacks/domains/production/executions/f8d3a1"

// execution is a message as the executor's default ones are.
func execution(status notifier.Status, phase, failure string) notifier.Message {
	m := notifier.Message{
		Key: "d-1", Status: status, Title: "ml.train " + phase, Error: failure, Reason: "phase:" + phase,
		Facts: []notifier.Fact{
			{Name: "Phase", Value: phase},
			{Name: "Workflow", Value: "ml.train (v7)"},
			{Name: "Execution", Value: "f8d3a1", URL: console},
			{Name: "Project", Value: "flytesnacks / production"},
			{Name: "Started by", Value: "ada@example.org"},
			{Name: "Duration", Value: "2h3m4s"},
		},
		Links: []notifier.Link{{Text: "Open in the Flyte console", URL: console}},
		Time:  time.Date(2026, 11, 22, 3, 0, 5, 0, time.UTC),
	}
	return m
}

func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	traceback := "Traceback (most recent call last):\n\n  File \"/root/train.py\", line 41, in fit\n    model.fit(x, y)\n\n" +
		"Message:\n\n    ValueError: expected <float32> & got \"object\""
	failed := execution(notifier.Failure, "FAILED", traceback)
	failed.Facts = append(failed.Facts, notifier.Fact{Name: "Failed node", Value: "n0-0-n1"}, notifier.Fact{Name: "Error kind", Value: "USER, code USER:ValueError"})
	templated := execution(notifier.Info, "RUNNING", "")
	templated.Body, templated.Facts = "Still running: see https://grafana.example.org/d/gpu?var=a&b=c.\n  lr = 0.1 < 0.2", nil
	templated.Notes = []string{"The template of the rule's message failed: line 1: unknown variable .Foo"}
	for name, m := range map[string]notifier.Message{
		"succeeded": execution(notifier.Success, "SUCCEEDED", ""),
		"failed":    failed,
		"aborted":   execution(notifier.Warning, "ABORTED", "wrong data set, @here please restart"),
		"templated": templated,
	} {
		got := posted(t, m)
		golden(t, name+".json", pretty(t, got))
		golden(t, name+".txt", slacksim.Render(got)+"\n")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func pretty(t *testing.T, m slacksim.Message) string {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	var blocks any
	require.NoError(t, json.Unmarshal(m.Blocks, &blocks))
	require.NoError(t, enc.Encode(map[string]any{"text": m.Text, "blocks": blocks, "metadata": m.Metadata}))
	return out.String()
}

// commands is all that mrkdwn would act upon but links of ours and the date.
var commands = regexp.MustCompile(`<[^hd!]|<!(?:channel|here|everyone|subteam)|<h[^t]`)

func TestHostileTextIsOnlyText(t *testing.T) {
	t.Parallel()
	for _, text := range notifiertest.HostileTexts() {
		m := execution(notifier.Failure, text, text)
		m.Title, m.Body, m.Notes, m.Links = text, text, []string{text}, []notifier.Link{{Text: text, URL: console}, {Text: text, URL: text}}
		m.Facts = []notifier.Fact{{Name: text, Value: text, URL: console}, {Name: text, Value: text, URL: "javascript:alert(1)"}}
		got := posted(t, m)
		require.NotRegexp(t, commands, got.Text)
		for _, s := range mrkdwnTexts(t, got) {
			require.NotRegexp(t, commands, s)
			require.Equal(t, notifier.Printable(s), s)
			require.NotContains(t, s, "<javascript")
		}
		require.Equal(t, notifier.Printable(got.Text), got.Text)
		header, _, _ := strings.Cut(slacksim.Render(got), "\n")
		require.LessOrEqual(t, len(utf16.Encode([]rune(header))), 150, "whatever Slack counts as a character")
	}
}

// mrkdwnTexts are the texts of all mrkdwn objects of a message; each must be verbatim, or Slack
// would make mentions of what looks like them.
func mrkdwnTexts(t *testing.T, m slacksim.Message) (found []string) {
	t.Helper()
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if v["type"] == "mrkdwn" {
				require.Equal(t, true, v["verbatim"])
				found = append(found, v["text"].(string))
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	var blocks any
	require.NoError(t, json.Unmarshal(m.Blocks, &blocks))
	walk(blocks)
	return found
}

func TestABrokenOutErrorStaysInItsBox(t *testing.T) {
	t.Parallel()
	hostile := "```\n<!channel> *read this* <https://evil.example.org|here>\n```"
	got := posted(t, notifier.Message{Title: "x", Error: hostile})
	require.Contains(t, slacksim.Render(got), "| ```\n| <!channel> *read this* <https://evil.example.org|here>\n| ```")
	require.Empty(t, mrkdwnTexts(t, got))
}

func TestLongTextsAreCutSayingSo(t *testing.T) {
	t.Parallel()
	m := execution(notifier.Failure, "FAILED", "first line\n"+strings.Repeat("é", 50_000)+"\nlast line")
	m.Title, m.Facts[1].Value, m.Notes = strings.Repeat("t", 500), strings.Repeat("w", 5000), []string{strings.Repeat("n", 5000)}
	got := posted(t, m)
	read := slacksim.Render(got)
	require.Regexp(t, `❌ t{50,}… \(\d+ characters cut\)\n`, read)
	require.Regexp(t, `\| first line\n\| é+\n\| … \(\d+ characters cut\)\n\| é+\n\| last line\n`, read)
	require.Regexp(t, `Workflow: w{400,}… \(\d+ characters cut\)`, read)
	require.Regexp(t, `n{300,}… \(\d+ characters cut\)`, read)
	require.Regexp(t, `… \(\d+ characters cut\)`, got.Text)
	require.LessOrEqual(t, utf8.RuneCountInString(got.Text), 4000)
	require.Contains(t, read, console, "the link is never cut")
}

func TestWhatIsCutIsCountedExactly(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2400, 2401, 3000, 9999} {
		read := slacksim.Render(posted(t, notifier.Message{Title: "x", Error: strings.Repeat("y", n)}))
		kept := strings.Count(read, "y")
		if n <= 2400 {
			require.Equal(t, n, kept)
			continue
		}
		require.Less(t, kept, 2400)
		require.Contains(t, read, "… ("+strconv.Itoa(n-kept)+" characters cut)")
	}
}

func TestALongBodyGoesIntoSeveralSections(t *testing.T) {
	t.Parallel()
	body := strings.Repeat(strings.Repeat("a", 79)+"\n", 80)
	got := posted(t, notifier.Message{Title: "x", Body: body})
	require.Equal(t, strings.TrimRight(body, "\n"), strings.SplitN(slacksim.Render(got), "\n", 2)[1])
	require.Greater(t, bytes.Count(got.Blocks, []byte(`"section"`)), 1)
}

func TestManyFactsLinksAndNotesFit(t *testing.T) {
	t.Parallel()
	m := notifier.Message{Title: "x", Reason: "phase:FAILED"}
	for range 60 {
		m.Facts = append(m.Facts, notifier.Fact{Name: "Name", Value: "value"})
		m.Links = append(m.Links, notifier.Link{Text: "Log", URL: "https://log.example.org/" + strings.Repeat("x", 300)})
		m.Notes = append(m.Notes, "note")
	}
	read := slacksim.Render(posted(t, m))
	require.Equal(t, 20, strings.Count(read, "Name: value"))
	require.Contains(t, read, "… (40 facts cut)")
	require.Equal(t, 7, strings.Count(read, "Log (https"))
}

func TestOddFactsAndLinks(t *testing.T) {
	t.Parallel()
	got := posted(t, notifier.Message{
		Title: "", Reason: "phase:FAILED",
		Facts: []notifier.Fact{{Name: "Empty"}, {Value: "nameless"}, {}, {Name: "Pipe", Value: "a|b", URL: "https://x.example.org/a|b?q=c|d>e f"}, {Name: "Long", Value: "v", URL: "https://x/" + strings.Repeat("x", 2000)}},
		Links: []notifier.Link{{URL: "https://bare.example.org"}, {Text: "no link", URL: "file:///etc/passwd"}, {}, {Text: "nor this", URL: "slack://channel?id=C1"}},
	})
	require.Equal(t, strings.Join([]string{
		"ℹ️ phase:FAILED", "Empty: –", "nameless", "Pipe: a¦b (https://x.example.org/a%7Cb?q=c%7Cd%3Ee%20f)", "Long: v",
		"https://bare.example.org  •  no link  •  nor this", "phase:FAILED",
	}, "\n"), slacksim.Render(got))
	empty := posted(t, notifier.Message{})
	require.Equal(t, "ℹ️ Flyte notification", slacksim.Render(empty))
	require.Equal(t, "ℹ️ Flyte notification", empty.Text)
}

func TestTheFallbackTellsTheUrgentFirst(t *testing.T) {
	t.Parallel()
	got := posted(t, execution(notifier.Failure, "FAILED", "ValueError: a < b"))
	lines := strings.Split(got.Text, "\n")
	require.Equal(t, []string{"❌ ml.train FAILED", "ValueError: a &lt; b"}, lines[:2])
	require.Contains(t, lines, "Execution: f8d3a1")
	require.Contains(t, lines, console)
	require.Contains(t, lines, "phase:FAILED")
}

// TestAnyMessageIsWithinSlacksLimits lets the simulator judge what is made of random messages.
func TestAnyMessageIsWithinSlacksLimits(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	text := rapid.Custom(func(t *rapid.T) string {
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"&", "<", ">", "\"", "\\", "\n", "😀", "https://a.b/c", "*", "|", "\u202e"}))
		return strings.Repeat(piece.Draw(t, "piece"), rapid.IntRange(0, 200).Draw(t, "times"))
	})
	fact := rapid.Custom(func(t *rapid.T) notifier.Fact {
		return notifier.Fact{Name: text.Draw(t, "name"), Value: text.Draw(t, "value"), URL: rapid.OneOf(text, rapid.Just(console)).Draw(t, "url")}
	})
	rapid.Check(t, func(r *rapid.T) {
		m := notifier.Message{
			Key: "k", Title: text.Draw(r, "title"), Body: text.Draw(r, "body"), Error: text.Draw(r, "error"), Reason: text.Draw(r, "reason"),
			Facts: rapid.SliceOfN(fact, 0, 25).Draw(r, "facts"), Notes: rapid.SliceOfN(text, 0, 12).Draw(r, "notes"),
		}
		for _, f := range rapid.SliceOfN(fact, 0, 12).Draw(r, "links") {
			m.Links = append(m.Links, notifier.Link{Text: f.Name, URL: f.URL})
		}
		if _, err := n.Send(t.Context(), channel("general"), m); err != nil {
			r.Fatal(err)
		}
	})
	require.NotEmpty(t, sim.Messages("general"))
}
