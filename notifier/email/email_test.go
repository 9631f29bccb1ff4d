package email_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
)

// update rewrites the golden files: go test ./notifier/email -update
var update = flag.Bool("update", false, "rewrite golden files")

const console = "https://flyte.example.org/console/projects/flytesnacks/domains/production/executions/f8d3a1c97b2e4d06a5f1"

// sample is a message as the default one of a phase is.
func sample(phase string, status notifier.Status) notifier.Message {
	return notifier.Message{
		Key: "d-1", Status: status, Title: "churn.workflows.train_and_publish " + phase,
		Facts: []notifier.Fact{
			{Name: "Phase", Value: phase},
			{Name: "Workflow", Value: "churn.workflows.train_and_publish (2026.11.3)"},
			{Name: "Execution", Value: "f8d3a1c97b2e4d06a5f1", URL: console},
			{Name: "Project", Value: "flytesnacks / production"},
			{Name: "Launch plan", Value: "churn.nightly"},
			{Name: "Started by", Value: "ada@example.org"},
			{Name: "Duration", Value: "2h3m4s"},
		},
		Links:  []notifier.Link{{Text: "Open in the Flyte console", URL: console}},
		Reason: "phase:" + phase, Time: time.Date(2026, 11, 22, 11, 3, 4, 0, time.UTC),
	}
}

func failed() notifier.Message {
	m := sample("FAILED", notifier.Failure)
	m.Facts = append(m.Facts, notifier.Fact{Name: "Failed node", Value: "n2-0-n1"}, notifier.Fact{Name: "Error kind", Value: "USER, code RetriesExhausted"})
	m.Error = `[3/3] currentAttempt done. Last Error: USER::
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/site-packages/flytekit/core/base_task.py", line 735, in dispatch_execute
    native_outputs = self.execute(**native_inputs)
                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/root/churn/workflows.py", line 84, in load_features
    table = warehouse.read("features_daily", partition=ds)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

Message:

    TableNotFoundError: <warehouse.features_daily> has no partition "2026-11-21" & no default`
	return m
}

func succeeded() notifier.Message { return sample("SUCCEEDED", notifier.Success) }

func aborted() notifier.Message {
	m := sample("ABORTED", notifier.Warning)
	m.Error = "wrong data set, started again with the right one"
	return m
}

func templated() notifier.Message {
	m := sample("RUNNING", notifier.Info)
	m.Title, m.Facts = "Nightly training is still running", nil
	m.Body = "It has been running for 2h3m4s, which is longer than usual.\n\nPlease look at\n  - the queue\n  - the warehouse"
	m.Links = append(m.Links, notifier.Link{Text: "Runbook", URL: "https://wiki.example.org/churn"}, notifier.Link{Text: "Dashboard", URL: "https://grafana.example.org/d/1"})
	m.Notes = []string{"This is the default message, because the template of the rule's message failed: render title: line 1"}
	return m
}

func written() notifier.Message {
	m := sample("RUNNING", notifier.Warning)
	m.Title, m.Facts, m.Markdown = "Nightly training waits for its data", nil, true
	m.Body = "# What happened\nThe partition **2026-11-21** of `features_daily` is not there *yet*. It is usually there by ~~02:00~~ 03:00.\n\n" +
		"## What to do\n1. Look at the [loader](https://airflow.example.org/d/loader?env=prod&run=17)\n2. If it runs, wait\n   - for an hour at most\n" +
		"   - then call https://pager.example.org/data\n3. Else start it again:\n\n```sh\nloader backfill --partition 2026-11-21 && echo <done>\n```\n\n" +
		"> Nobody needs to be woken for this.\n\n---\n\nQuestions: [the data team](mailto:data@example.org)"
	return m
}

func digest() notifier.Message {
	m := sample("FAILED", notifier.Failure)
	m.Title, m.Facts, m.Links, m.Reason = "12 messages: 7 × FAILED, 4 × SUCCEEDED, 1 × running_for", nil, nil, "digest"
	var lines []string
	for _, phase := range []string{"FAILED", "SUCCEEDED", "FAILED", "TIMED_OUT"} {
		lines = append(lines, "• 2026-11-22 11:03:04 UTC  churn.workflows.train_and_publish "+phase+"  "+console)
	}
	m.Body = strings.Join(append(lines, "… and 8 more"), "\n")
	return m
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]notifier.Message{
		"failed": failed(), "succeeded": succeeded(), "aborted": aborted(), "templated": templated(), "markdown": written(), "digest": digest(), "empty": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			html, err := email.HTML(m)
			require.NoError(t, err)
			golden(t, name+".html", html)
			golden(t, name+".txt", email.Text(m))
		})
	}
}

func TestSubjectStartsNoHeader(t *testing.T) {
	t.Parallel()
	require.Equal(t, "train FAILED Bcc: x@example.org", email.Subject(" train\r\nFAILED\x00\n\tBcc: x@example.org\n"))
	require.Equal(t, "Flyte notification", email.Subject("\r\n\x00 \u202e"))
	long := email.Subject(strings.Repeat("ä", 500))
	require.Equal(t, strings.Repeat("ä", 199)+"…", long)
}

func TestHostileTextsStayText(t *testing.T) {
	t.Parallel()
	for _, hostile := range notifiertest.HostileTexts() {
		m := notifier.Message{
			Status: notifier.Status(hostile), Title: hostile, Body: hostile, Error: hostile, Reason: hostile, Notes: []string{hostile},
			Facts: []notifier.Fact{{Name: hostile, Value: hostile, URL: hostile}, {Name: "n", Value: "v", URL: "https://example.org/?" + hostile}},
			Links: []notifier.Link{{Text: hostile, URL: hostile}, {Text: hostile, URL: "https://example.org/#" + hostile}},
		}
		html, err := email.HTML(m)
		require.NoError(t, err)
		for _, out := range []string{html, email.Text(m), email.Subject(hostile)} {
			require.True(t, utf8.ValidString(out))
			require.Equal(t, notifier.Printable(out), out)
			require.Less(t, len(out), 300<<10, "%.40q", hostile)
			require.Equal(t, -1, strings.IndexFunc(out, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }))
		}
		lower := strings.ToLower(html)
		require.NotContains(t, lower, "<script")
		require.NotContains(t, lower, "<img")
		require.Equal(t, 1, strings.Count(lower, "</body"))
		for _, href := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(html, -1) {
			require.Regexp(t, "^https?://", href[1])
		}
	}
}

func TestOnlyWebAddressesBecomeLinks(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"javascript:alert(1)", "JAVASCRIPT://x/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example.org/x", "/relative",
		"https://user:pass@example.org/", "http:///nohost", "https://%zz/", "https://example.org/" + strings.Repeat("x", 2000), " https://example.org",
	} {
		m := notifier.Message{
			Title: "t", Facts: []notifier.Fact{{Name: "n", Value: "value", URL: address}},
			Links: []notifier.Link{{Text: "text", URL: address}},
		}
		html, err := email.HTML(m)
		require.NoError(t, err)
		require.NotContains(t, html, "href=", address)
		require.Contains(t, html, "value")
		require.NotContains(t, email.Text(m), "text:", address)
	}
}

func TestLinkWithQuotesStaysInItsAttribute(t *testing.T) {
	t.Parallel()
	html, err := email.HTML(notifier.Message{Links: []notifier.Link{{URL: `https://example.org/?a="><b>&c=1`}}})
	require.NoError(t, err)
	require.NotContains(t, html, `"><b>`)
	require.Contains(t, html, `href="https://example.org/?a=%22%3E%3Cb%3E&amp;c=1"`)
}

func TestWhatIsCutSaysSo(t *testing.T) {
	t.Parallel()
	m := notifier.Message{
		Title: strings.Repeat("t", 1000), Body: strings.Repeat("b", 30_000), Error: strings.Repeat("e", 9000),
		Facts: make([]notifier.Fact, 42), Links: make([]notifier.Link, 11), Notes: make([]string, 13),
	}
	for i := range m.Facts {
		m.Facts[i].Name = "name"
	}
	html, err := email.HTML(m)
	require.NoError(t, err)
	for _, out := range []string{html, email.Text(m)} {
		require.Contains(t, out, "tt…")
		require.Contains(t, out, "cut after 20000 characters")
		require.Contains(t, out, "cut after 8000 characters")
		require.Contains(t, out, "Left out for length: 6 facts, links or notes.")
		require.LessOrEqual(t, strings.Count(out, "name:")+strings.Count(out, ">name<"), 40)
	}
}

func TestFactsKeepTheirOwnAddress(t *testing.T) {
	t.Parallel()
	m := notifier.Message{
		Facts: []notifier.Fact{{Name: "Run", Value: "f1", URL: "https://example.org/1"}, {Name: "Data", URL: "https://example.org/2"}},
		Links: []notifier.Link{{Text: "Open", URL: "https://example.org/1"}},
	}
	require.Contains(t, email.Text(m), "Run:  f1\nData:  https://example.org/2\n")
	html, err := email.HTML(m)
	require.NoError(t, err)
	require.Contains(t, html, `href="https://example.org/2" style="color:#175cd3;text-decoration:underline;">https://example.org/2</a>`)
}

func TestEveryStatusHasItsLook(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, status := range []notifier.Status{notifier.Success, notifier.Info, notifier.Warning, notifier.Failure} {
		html, err := email.HTML(notifier.Message{Status: status})
		require.NoError(t, err)
		require.Contains(t, strings.ToLower(html), ">"+string(status)+"</span>")
		bar := regexp.MustCompile(`height:6px[^"]*background:(#[0-9a-f]{6})`).FindStringSubmatch(html)
		require.Len(t, bar, 2)
		seen[bar[1]] = true
	}
	require.Len(t, seen, 4)
}

func TestSeveralThingsAreAList(t *testing.T) {
	t.Parallel()
	m := notifier.Message{Title: "2 messages", Body: "the same as text", More: 3}
	for _, address := range []string{"https://example.org/1", "javascript:alert(1)"} {
		m.Items = append(m.Items, notifier.Item{Time: time.Date(2026, 11, 22, 3, 40, 0, 0, time.UTC), Text: "train <FAILED>", URL: address})
	}
	html, err := email.HTML(m)
	require.NoError(t, err)
	require.Contains(t, html, `href="https://example.org/1" style="color:#175cd3;text-decoration:underline;">train &lt;FAILED&gt;</a>`)
	require.Equal(t, 2, strings.Count(html, ">22 Nov 03:40 UTC<"))
	require.Equal(t, 3, strings.Count(html, "train &lt;FAILED&gt;"), "the preview and the list")
	require.Contains(t, html, "… and 3 more")
	require.NotContains(t, html, "javascript")
	require.NotContains(t, html, "the same as text")
	require.Contains(t, email.Text(m), "the same as text")
}
