package slack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

// listed are the texts of the sections that a message of several is, and its fallback.
func listed(t *testing.T, m notifier.Message) (sections []string, fallback string) {
	t.Helper()
	p, err := (&slack.Destination{Channel: "#ml"}).Preview(m)
	require.NoError(t, err)
	var payload struct {
		Text   string
		Blocks []struct {
			Type string
			Text struct{ Text string }
		}
	}
	require.NoError(t, json.Unmarshal(p.Payload, &payload))
	for _, b := range payload.Blocks {
		if b.Type == "section" {
			sections = append(sections, b.Text.Text)
		}
	}
	return sections, payload.Text
}

func several(n int, url string) notifier.Message {
	m := notifier.Message{Title: "several", Body: "the same as text"}
	for i := range n {
		m.Items = append(m.Items, notifier.Item{
			Time: time.Date(2026, 11, 22, 3, 40, i, 0, time.UTC), Text: fmt.Sprintf("train <%d> FAILED", i), URL: url,
		})
	}
	return m
}

func TestSeveralThingsAreAList(t *testing.T) {
	t.Parallel()
	m := several(2, "https://flyte.example.org/x")
	m.Items[1].URL, m.More = "javascript:alert(1)", 15
	sections, fallback := listed(t, m)
	require.Equal(t, []string{"• <!date^1795318800^{date_short} {time}|2026-11-22 03:40 UTC>  <https://flyte.example.org/x|train &lt;0&gt; FAILED>\n" +
		"• <!date^1795318801^{date_short} {time}|2026-11-22 03:40 UTC>  train &lt;1&gt; FAILED\n… and 15 more"}, sections)
	require.Equal(t, "ℹ️ several\ntrain &lt;0&gt; FAILED\ntrain &lt;1&gt; FAILED\n… and 15 more", fallback, "no address is read out")
}

// TestALongListIsCutByLines: what is left out is counted.
func TestALongListIsCutByLines(t *testing.T) {
	t.Parallel()
	for _, length := range []int{10, 100, 300, 900, 3000} {
		m := several(60, "https://flyte.example.org/"+strings.Repeat("x", length))
		m.More = 7
		sections, _ := listed(t, m)
		lines := strings.Split(strings.Join(sections, "\n"), "\n")
		shown := 0
		for _, line := range lines {
			if strings.HasPrefix(line, "• ") {
				require.True(t, strings.HasSuffix(line, "FAILED>") || strings.HasSuffix(line, "FAILED"), line)
				shown++
			}
		}
		require.Greater(t, shown, 5, length)
		require.Equal(t, fmt.Sprintf("… and %d more", 67-shown), lines[len(lines)-1])
		total := 0
		for _, s := range sections {
			require.LessOrEqual(t, len(s), 3000)
			total += len(s)
		}
		require.Less(t, total, 12_000)
	}
}

func TestAMessageOfSeveralIsInNoThread(t *testing.T) {
	t.Parallel()
	one := notifier.Gathered(&slack.Destination{Channel: "ml", Thread: "execution", Broadcast: true})
	other := notifier.Gathered(&slack.Destination{Channel: "#ml", Update: true})
	require.Equal(t, one, other)
	require.Equal(t, &slack.Destination{Channel: "#ml"}, one)
	require.Equal(t, &slack.Destination{Email: "ada@example.org"}, notifier.Gathered(&slack.Destination{Email: "ada@example.org"}))
}
