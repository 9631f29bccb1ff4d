package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// attachNone is the value of a destination's `attach` for no file.
const attachNone = "none"

const (
	receiptFile      = "file"       // the id of the file with the whole error text
	receiptFileError = "file_error" // why there is none

	// maxFile is how much of an error text goes into a file, in bytes.
	maxFile = 1 << 20
	// reserveTime is how long a message waits for the place of its file, and uploadTime how long its attempt goes on
	// for the file once the message is there.
	reserveTime = 2 * time.Second
	uploadTime  = 8 * time.Second
)

// file is a text to attach to a message; a nil file is none.
type file struct {
	text string
	id   string
	url  string
}

// wholeError is all there is of a message's error text, where the message shows only a part.
func wholeError(m notifier.Message) (text string, long bool) {
	raw, ok := m.Vars["Error"].(string)
	if !ok || m.Error == "" {
		return "", false
	}
	const spare = 64 << 10 // room for what is not printable
	text = notifier.Lines(raw[:min(len(raw), maxFile+spare)])
	if text == notifier.Lines(m.Error) && length(text) <= maxText {
		return "", false
	}
	if len(text) > maxFile {
		text = strings.ToValidUTF8(text[:maxFile], "") + fmt.Sprintf("\n… cut after %d bytes", maxFile)
	}
	return text + "\n", true
}

// reserve asks for a place for the file with a message's whole error text. What hinders that is known before the
// message goes out, so that it says so in a note. Nobody sees a place that is never filled.
func (n *Notifier) reserve(ctx context.Context, c *call, d *Destination, m notifier.Message) (*file, notifier.Message) {
	text, long := wholeError(m)
	if !long || d.Attach == attachNone {
		return nil, m
	}
	why := n.denied.why()
	if why == "" {
		ctx, cancel := context.WithTimeout(ctx, reserveTime)
		defer cancel()
		place, err := c.api.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: fileName(m.Key), FileSize: len(text)})
		switch {
		case err != nil:
			why = strings.TrimPrefix(c.explain(err).Error(), "slack: ")
			if c.refusedWith(err, "no_permission", "access_denied", "not_allowed_token_type") {
				n.denied.add(why)
			}
		case place.UploadURL == "" || place.FileID == "":
			why = "Slack gave no place for it"
		default:
			return &file{text: text, id: place.FileID, url: place.UploadURL}, m
		}
	}
	m.Notes = append([]string{"The whole error text is not attached: " + why}, m.Notes...)
	return nil, m
}

// attach puts the file into the thread of a message that is there, and what came of it into the message's receipt.
// It is tried once: a message never comes twice for its file's sake, and a file never does.
func (c *call) attach(ctx context.Context, f *file, key string, r notifier.Receipt) {
	if f == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTime)
	defer cancel()
	err := c.api.UploadToURL(ctx, slack.UploadToURLParameters{UploadURL: f.url, Content: f.text, Filename: fileName(key)})
	if err == nil {
		thread := r[receiptThread]
		if thread == "" {
			thread = r[receiptTS]
		}
		var done *slack.CompleteUploadExternalResponse
		done, err = c.api.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{
			Files: []slack.FileSummary{{ID: f.id, Title: "The whole error text"}}, Channel: r[receiptChannel], ThreadTimestamp: thread,
		})
		if err == nil && len(done.Files) == 0 {
			err = errors.New("neither taken nor refused")
		}
	}
	if err != nil {
		r[receiptFileError] = strings.ReplaceAll(c.explain(err).Error(), f.url, "<upload url>")
		return
	}
	r[receiptFile] = c.Quote(f.id, 100)
}

// fileName holds the message's key, by which a file can be told from others.
func fileName(key string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, key)
	return "error-" + safe[:min(len(safe), 64)] + ".txt"
}

// deniedFor is how long Slack is not asked again for what the token may not do.
const deniedFor = 10 * time.Minute

// denied remembers that the token may not upload files. It is safe for concurrent use.
type denied struct {
	mu     sync.Mutex
	reason string
	until  time.Time
}

func (d *denied) why() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().Before(d.until) {
		return d.reason
	}
	return ""
}

func (d *denied) add(reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reason, d.until = reason, time.Now().Add(deniedFor)
}
