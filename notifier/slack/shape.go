package slack

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// keyBlocks is the key of a destination's own blocks.
const keyBlocks = "blocks"

// ShapeKey is "blocks".
func (d *Destination) ShapeKey() string { return keyBlocks }

// CheckShape returns what is wrong with the blocks as they are written: unknown types, and texts over Slack's limits.
// Texts that are templates are judged once they are rendered, but there may not be any number of them.
func (d *Destination) CheckShape() []notifier.Problem {
	if d.Blocks == nil {
		return nil
	}
	j := &judge{literal: true}
	if j.bounds(keyBlocks, d.Blocks); len(j.problems) > 0 {
		return j.problems
	}
	j.blocks(keyBlocks, d.Blocks)
	return j.problems
}

// Shape renders the blocks. Where one cannot be rendered, or Slack would not take them, the list has one text, which
// says why: no block is a text, so that Send knows.
func (d *Destination) Shape(value any, render notifier.RenderText) any {
	s := &shaper{render: render}
	rendered := s.walk(keyBlocks, value)
	if s.err != nil {
		return failed(s.err.Error())
	}
	list, _ := rendered.([]any)
	j := &judge{}
	j.blocks(keyBlocks, list)
	if len(j.problems) > 0 {
		return failed(j.problems[0].String())
	}
	pruned, kept := prune(list)
	if !kept {
		return failed("blocks: all texts of them are empty")
	}
	return pruned
}

func failed(why string) []any { return []any{why} }

// shaper renders a tree of blocks, and keeps the first error. It stops at what is far beyond Slack's limits, so that
// blocks cost no more memory than a message: a value may have 64 KiB, and a tree thousands of texts.
type shaper struct {
	render    notifier.RenderText
	templates int
	bytes     int // of what the texts have become so far
	err       error
}

func (s *shaper) walk(path string, value any) any {
	if s.err != nil {
		return value
	}
	switch value := value.(type) {
	case string:
		return s.text(path, value, plainly)
	case []any:
		for i := range value {
			value[i] = s.walk(index(path, i), value[i])
		}
	case map[string]any:
		for _, key := range sortedKeys(value) {
			text, ok := value[key].(string)
			if ok && key == "text" && value["type"] == slack.MarkdownType {
				value[key] = s.text(path+"."+key, text, marked)
				if notifier.IsTemplate(text) {
					value["verbatim"] = true // else Slack makes a mention of @here in what was put in
				}
				continue
			}
			value[key] = s.walk(path+"."+key, value[key])
		}
	}
	return value
}

func (s *shaper) text(path, text string, insert func(before, value string) string) string {
	if notifier.IsTemplate(text) {
		s.templates++
	}
	if s.templates > maxTemplates {
		s.err = errTemplates
		return ""
	}
	rendered, err := s.render(text, insert)
	if s.bytes += len(rendered); err == nil && s.bytes > maxRendered {
		err = fmt.Errorf("more than %d bytes so far; Slack takes %d characters in all", maxRendered, maxOwn)
	}
	if err != nil {
		s.err = fmt.Errorf("%s: %w", path, err)
		return ""
	}
	return rendered
}

// plainly puts a value into a text that Slack shows as it is.
func plainly(_, value string) string { return notifier.Printable(value) }

// marked puts a value into mrkdwn, so that it is shown as it is. Within an author's own <...> it can neither end that
// nor decide what it is: right after < it must be a web address. A < in prose is none of these.
func marked(before, value string) string {
	open := strings.LastIndexByte(before, '<')
	switch end := strings.LastIndexByte(before, '>'); {
	case open < 0 && end < 0 && len(before) >= maxBefore: // it may have begun earlier, and | would begin the link's text
		return strings.ReplaceAll(escape(notifier.Printable(value)), "|", "¦")
	case open < 0, open < end:
		return escape(notifier.Printable(value))
	}
	inside := strings.TrimLeft(before[open+1:], " \t\n")
	line := notifier.OneLine(value)
	switch {
	case strings.TrimSpace(inside) == "!", inside == "" && !isWeb(line):
		return ""
	case inside != "" && !linkStart.MatchString(inside):
		return escape(notifier.Printable(value))
	case strings.Contains(inside, "|"):
		return escape(strings.ReplaceAll(line, "|", "¦"))
	}
	return linkEscaper.Replace(line)
}

// linkEscaper is for a value within the address of a link.
var linkEscaper = strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", " ", "%20", "\"", "%22", "&", "&amp;")

// maxBefore is how much of a text notifier.RenderText tells of, in bytes.
const maxBefore = 1 << 10

// linkStart is what Slack makes a mention or link of after <, or what a value right behind it can make one.
var linkStart = regexp.MustCompile(`^(?:[@#!]|mailto:|tel:|[a-zA-Z][a-zA-Z0-9+.-]*://|[a-zA-Z]\S*$)`)

// isWeb says whether a text is the address of a web page.
func isWeb(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// prune leaves out texts that rendered to nothing, which Slack refuses, with what is nothing without them. kept is
// false when nothing is left of the value.
func prune(value any) (left any, kept bool) {
	switch value := value.(type) {
	case []any:
		var some []any
		for _, entry := range value {
			if left, kept := prune(entry); kept {
				some = append(some, left)
			}
		}
		return some, len(some) > 0 || len(value) == 0
	case map[string]any:
		return value, pruneObject(value)
	}
	return value, true
}

func pruneObject(object map[string]any) (kept bool) {
	kind, _ := object["type"].(string)
	if text, ok := object["text"].(string); ok && text == "" || ok && isText(kind) && strings.TrimSpace(text) == "" {
		return false
	}
	for _, key := range nothingWithout {
		if text, ok := object[key].(string); ok && strings.TrimSpace(text) == "" {
			return false
		}
	}
	for _, key := range sortedKeys(object) {
		left, kept := prune(object[key])
		switch {
		case kept:
			object[key] = left
		case key == "elements", key == "text" && kind != "section":
			return false
		default:
			delete(object, key)
		}
	}
	switch kind {
	case "section":
		return object["text"] != nil || object["fields"] != nil
	case "image":
		return object["image_url"] != nil || object["slack_file"] != nil
	}
	return true
}

// nothingWithout are keys of pictures, links and buttons that are nothing without a text there.
var nothingWithout = []string{"alt_text", "image_url", "url"}

func sortedKeys[V any](object map[string]V) []string { return slices.Sorted(maps.Keys(object)) }

func isText(kind string) bool { return kind == slack.MarkdownType || kind == slack.PlainTextType }

// ownBlock is a block as its author wrote it.
type ownBlock map[string]any

// BlockType is the block's type.
func (b ownBlock) BlockType() slack.MessageBlockType {
	kind, _ := b["type"].(string)
	return slack.MessageBlockType(kind)
}

// ID is the block's id, or empty.
func (b ownBlock) ID() string {
	id, _ := b["block_id"].(string)
	return id
}

// own are the destination's own blocks, or why it has none that can be sent.
func (d *Destination) own() (made []slack.Block, failure string) {
	for _, entry := range d.Blocks {
		switch entry := entry.(type) {
		case string:
			return nil, entry
		case map[string]any:
			made = append(made, ownBlock(entry))
		}
	}
	return made, ""
}

// dressed is what is posted of a message.
type dressed struct {
	text   string // what notifications and screen readers show
	blocks []slack.Block
	own    bool // the blocks are the destination's
}

// dress gives m the destination's own blocks, or the default ones with a note that says why it is not those.
func (d *Destination) dress(m notifier.Message) dressed {
	made, failure := d.own()
	switch {
	case failure != "":
		return d.plainly(m, failure)
	case made == nil:
		return d.plainly(m, "")
	}
	m = tidy(m)
	if d.mentioned != "" && len(made) < maxBlocks {
		made = append([]slack.Block{mentionBlock(d.mentioned)}, made...)
	}
	if small := smallPrint(notifier.Message{Notes: m.Notes}, maxNote); len(small) > 0 && len(made) < maxBlocks {
		with := append(slices.Clone(made), slack.NewContextBlock("", small...))
		if size(with) <= maxOwn {
			made = with
		}
	}
	return dressed{d.spoken(m), made, true}
}

// plainly is m in the default blocks. failure is why they are not the destination's own.
func (d *Destination) plainly(m notifier.Message, failure string) dressed {
	if failure != "" {
		note := "This is the default message, because the destination's own blocks failed: " + notifier.OneLine(failure)
		m.Notes = append([]string{note}, m.Notes...)
	}
	m = tidy(m)
	made := blocks(m)
	if d.mentioned != "" {
		made = append([]slack.Block{mentionBlock(d.mentioned)}, made...)
	}
	return dressed{d.spoken(m), made, false}
}

// spoken is what notifications show of a tidy message, with whom it mentions.
func (d *Destination) spoken(m notifier.Message) string {
	if d.mentioned == "" {
		return fallback(m)
	}
	return d.mentioned + " " + fallback(m)
}

// refusedBlocks says why Slack did not take a message for its blocks' sake; empty if that is not why.
func (c *call) refusedBlocks(err error) string {
	if !isCode(err, "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "block_mismatch", "unsupported_block_type") {
		return ""
	}
	return strings.TrimPrefix(c.explain(err).Error(), "slack: ")
}
