package webhook

import (
	"errors"
	"net/url"
	"path"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// ntfy's limits in bytes, as a server has them that is not set otherwise: 4,096 for a message, which becomes a file
// beyond that, and twice as many for all of the JSON. https://docs.ntfy.sh/publish/#publish-as-json and #limitations
const (
	ntfyMessage = 4000
	ntfyMost    = 8000
	ntfyTitle   = 250
	ntfyFacts   = 25
	ntfyValue   = 300
)

// ntfyPost is what is posted. Its texts are plain text, in which ntfy looks for nothing.
type ntfyPost struct {
	Topic    string       `json:"topic"`
	Title    string       `json:"title"`
	Message  string       `json:"message"`
	Priority int          `json:"priority"`
	Tags     []string     `json:"tags,omitempty"`
	Click    string       `json:"click,omitempty"`
	Actions  []ntfyAction `json:"actions,omitempty"`
	// SequenceID lets clients put a message that comes twice in the place of the first; servers before 2.16 ignore it.
	SequenceID string `json:"sequence_id,omitempty"`
}

type ntfyAction struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

// ntfyTopic is the last part of a topic's URL, which may end with a slash.
func ntfyTopic(u *url.URL) string { return path.Base(u.Path) }

// ntfyLacksTopic is the error of a URL that is no topic's.
func ntfyLacksTopic(u *url.URL) error {
	root := *u
	return ntfyRoot(&root)
}

// ntfyRoot makes a topic's URL that of its server, where JSON is posted.
func ntfyRoot(u *url.URL) error {
	if topic := ntfyTopic(u); !ntfyName(topic) {
		return errors.New("must end with the topic, as https://ntfy.example.org/topic")
	}
	u.Path, u.RawPath = path.Dir(path.Clean(u.Path)), ""
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return nil
}

// ntfyName says whether a topic or a sequence may have this name.
func ntfyName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '-' && r != '_'
	})
}

// ntfy is the message in as many bytes as a server takes: where JSON's escapes make it larger, its text gets shorter.
func ntfy(topic string, m notifier.Message) ([]byte, error) {
	c := contentOf(m, ntfyFacts)
	shown := dialect{escape: verbatim, size: bytesOf}
	post := ntfyPost{Topic: topic, Title: shown.text(c.title, ntfyTitle), Priority: 3}
	post.Priority, post.Tags = ntfyMarks(c.status)
	if ntfyName(m.Key) {
		post.SequenceID = m.Key
	}
	for i, l := range c.links {
		const longest = 500
		if len(l.URL) > longest {
			continue
		}
		if i == 0 {
			post.Click = l.URL
		}
		post.Actions = append(post.Actions, ntfyAction{"view", shown.text(l.Text, 60), l.URL})
	}
	for most := ntfyMessage; most > 0; most -= 500 {
		post.Message = ntfyText(c, shown, most)
		body, err := exchange.JSON(post)
		if err != nil || len(body) <= ntfyMost {
			return body, err
		}
	}
	return nil, errors.New("the message does not fit into ntfy's 8,192 bytes")
}

// ntfyMarks are how loud a message is, from 1 to 5, and its emoji: https://docs.ntfy.sh/publish/#message-priority
func ntfyMarks(s notifier.Status) (priority int, tags []string) {
	switch s {
	case notifier.Failure:
		return 4, []string{"rotating_light"}
	case notifier.Warning:
		return 4, []string{"warning"}
	case notifier.Success:
		return 3, []string{"white_check_mark"}
	}
	return 3, nil
}

// ntfyText is all of the content in lines: the facts before the error, which may be long.
func ntfyText(c content, shown dialect, most int) string {
	var parts []string
	if c.body != "" {
		parts = append(parts, c.body)
	}
	var facts []string
	for _, f := range c.facts {
		facts = append(facts, f.Name+": "+shown.text(f.Value, ntfyValue))
	}
	for _, part := range []string{strings.Join(facts, "\n"), c.error, c.footer} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return shown.text(strings.Join(parts, "\n\n"), most)
}
