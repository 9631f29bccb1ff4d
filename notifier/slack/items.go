package slack

import (
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

const (
	maxItem   = 150
	maxSpoken = 10 // items that a fallback names
)

// itemBlocks lists what a message tells of, each linked on a line of its own. What has no room is counted, so
// that no line is cut.
func itemBlocks(m notifier.Message, limit int) []slack.Block {
	var texts []string
	var lines strings.Builder
	shown := 0
	for _, item := range m.Items {
		line := "• " + localTime(item.Time, "{date_short} {time}", "2006-01-02 15:04") + "  " + anchor(cut(item.Text, maxItem), item.URL) + "\n"
		if len(line) > limit {
			line = "• " + escape(cut(item.Text, maxItem)) + "\n"
		}
		if lines.Len()+len(line) > limit {
			if len(texts) == bodyParts-1 {
				break
			}
			texts = append(texts, lines.String())
			lines.Reset()
		}
		lines.WriteString(line)
		shown++
	}
	texts = append(texts, lines.String())
	var made []slack.Block
	for i, text := range texts {
		if more := m.More + len(m.Items) - shown; more > 0 && i == len(texts)-1 {
			text += fmt.Sprintf("… and %d more", more)
		}
		if text = strings.TrimRight(text, "\n"); text != "" {
			made = append(made, slack.NewSectionBlock(mrkdwn(text), nil, nil))
		}
	}
	return made
}

// spoken are the first items without what nobody wants to hear read out.
func spoken(m notifier.Message) string {
	var lines []string
	for _, item := range m.Items[:min(len(m.Items), maxSpoken)] {
		lines = append(lines, cut(item.Text, maxItem))
	}
	if more := m.More + len(m.Items) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// localTime is a time in the reader's own zone, as Slack can; where it cannot, it is in UTC, in Go's layout.
func localTime(t time.Time, tokens, layout string) string {
	return fmt.Sprintf("<!date^%d^%s|%s>", t.Unix(), tokens, t.UTC().Format(layout+" UTC"))
}
