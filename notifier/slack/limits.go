package slack

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Slack's limits on blocks. https://docs.slack.dev/reference/block-kit/blocks; maxOwn is found by trial, as
// maxMessage is, and counts characters of JSON.
const (
	maxBlocks      = 50
	maxOwn         = 13_000
	maxHeader      = 150
	maxSection     = 3_000
	maxField       = 2_000
	maxInContext   = 10
	maxInActions   = 25
	maxButton      = 75
	maxAlternative = 2_000
	maxBlockID     = 255
	maxAddress     = 3_000

	// What is more than Slack takes in any case, so that its cost is bounded before it is judged. 13,000 characters have
	// at most 39,000 bytes of UTF-8, and hold no more than 500 texts of a block.
	maxRendered  = 4 * maxOwn
	maxWritten   = 4 * maxOwn // bytes of JSON; templates may be longer than what they render
	maxTemplates = 500
)

var errTemplates = fmt.Errorf("%s: more than %d of the texts are templates", keyBlocks, maxTemplates)

// blockTypes are those that messages may have, without what takes an app of one's own to answer it, and without those
// whose texts know mentions that cannot be escaped.
var blockTypes = []string{"actions", "context", "divider", "header", "image", "rich_text", "section"}

// judge gathers what Slack would refuse of blocks.
type judge struct {
	literal  bool // the texts may be templates, which are not judged
	problems []notifier.Problem
}

func (j *judge) add(path, format string, args ...any) {
	j.problems = append(j.problems, notifier.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// open says whether a text cannot be judged yet.
func (j *judge) open(text string) bool { return j.literal && notifier.IsTemplate(text) }

// bounds judges how much was written, whatever becomes of it.
func (j *judge) bounds(path string, list []any) {
	if raw, err := json.Marshal(list); err == nil && len(raw) > maxWritten {
		j.add(path, "%d bytes of JSON are more than %d", len(raw), maxWritten)
	}
	if n := templates(list); n > maxTemplates {
		j.add(path, "%d texts that are templates are more than %d", n, maxTemplates)
	}
}

// templates is how many texts of a tree are templates.
func templates(value any) (n int) {
	switch value := value.(type) {
	case string:
		if notifier.IsTemplate(value) {
			return 1
		}
	case []any:
		for _, entry := range value {
			n += templates(entry)
		}
	case map[string]any:
		for _, entry := range value {
			n += templates(entry)
		}
	}
	return n
}

func (j *judge) blocks(path string, list []any) {
	switch {
	case len(list) == 0:
		j.add(path, "must have at least one block")
	case len(list) > maxBlocks:
		j.add(path, "%d blocks are more than Slack's %d", len(list), maxBlocks)
	}
	ids := map[string]bool{}
	for i, entry := range list {
		at := index(path, i)
		object, ok := entry.(map[string]any)
		if !ok {
			j.add(at, "must be a block, with a type")
			continue
		}
		j.block(at, object)
		if id, ok := object["block_id"].(string); ok {
			if ids[id] {
				j.add(at+".block_id", "is that of an earlier block")
			}
			ids[id] = true
			j.length(at+".block_id", id, maxBlockID)
		}
	}
	if raw, err := json.Marshal(list); err == nil && units(string(raw)) > maxOwn && !j.open(string(raw)) {
		j.add(path, "%d characters in all are more than Slack's %d", units(string(raw)), maxOwn)
	}
}

func (j *judge) block(path string, b map[string]any) {
	kind, _ := b["type"].(string)
	if !slices.Contains(blockTypes, kind) {
		j.add(path+".type", "must be one of %s", strings.Join(blockTypes, ", "))
		return
	}
	switch kind {
	case "header":
		j.text(path+".text", b["text"], maxHeader, slack.PlainTextType)
	case "section":
		j.section(path, b)
	case "context":
		j.list(path+".elements", b["elements"], maxInContext, func(at string, entry any) {
			if object, ok := entry.(map[string]any); !ok || object["type"] != "image" {
				j.text(at, entry, maxSection, slack.PlainTextType, slack.MarkdownType)
			}
		})
	case "actions":
		j.list(path+".elements", b["elements"], maxInActions, j.typed)
	case "rich_text":
		j.list(path+".elements", b["elements"], maxOwn, j.typed)
	case "image":
		j.image(path, b)
	}
	j.walk(path, b)
}

func (j *judge) section(path string, b map[string]any) {
	if b["text"] == nil && b["fields"] == nil {
		j.add(path, "must have text or fields")
	}
	if b["text"] != nil {
		j.text(path+".text", b["text"], maxSection, slack.PlainTextType, slack.MarkdownType)
	}
	if b["fields"] != nil {
		j.list(path+".fields", b["fields"], maxFields, func(at string, entry any) {
			j.text(at, entry, maxField, slack.PlainTextType, slack.MarkdownType)
		})
	}
}

func (j *judge) image(path string, b map[string]any) {
	if b["image_url"] == nil && b["slack_file"] == nil {
		j.add(path+".image_url", "required")
	}
	alternative, _ := b["alt_text"].(string)
	if j.literal && strings.TrimSpace(alternative) == "" { // rendered to nothing, the picture is left out
		j.add(path+".alt_text", "required: what the picture shows")
	}
	j.length(path+".alt_text", alternative, maxAlternative)
	if b["title"] != nil {
		j.text(path+".title", b["title"], maxAlternative, slack.PlainTextType)
	}
}

// list judges each entry of a list that may not be empty.
func (j *judge) list(path string, value any, most int, each func(at string, entry any)) {
	list, ok := value.([]any)
	switch {
	case !ok || len(list) == 0:
		j.add(path, "must be a list of at least one")
	case len(list) > most:
		j.add(path, "%d are more than Slack's %d", len(list), most)
	}
	for i, entry := range list {
		each(index(path, i), entry)
	}
}

func (j *judge) typed(path string, value any) {
	object, _ := value.(map[string]any)
	if kind, _ := object["type"].(string); kind == "" {
		j.add(path+".type", "required")
	}
}

// text judges a text object of one of these types.
func (j *judge) text(path string, value any, most int, kinds ...string) {
	object, ok := value.(map[string]any)
	kind, _ := object["type"].(string)
	if !ok || !slices.Contains(kinds, kind) {
		j.add(path, "must be a text object: {type: %s, text: ...}", strings.Join(kinds, " or "))
		return
	}
	text, ok := object["text"].(string)
	if !ok || j.literal && strings.TrimSpace(text) == "" { // rendered to nothing, it is left out
		j.add(path+".text", "required")
	}
	j.length(path+".text", text, most)
}

func (j *judge) length(path, text string, most int) {
	if n := units(text); n > most && !j.open(text) {
		j.add(path, "%d characters are more than Slack's %d", n, most)
	}
}

// walk judges what holds for all objects in a block: what decides how the rest is read is no template's affair, and
// links lead to the web.
func (j *judge) walk(path string, value any) {
	switch value := value.(type) {
	case []any:
		for i, entry := range value {
			j.walk(index(path, i), entry)
		}
	case map[string]any:
		j.object(path, value)
	}
}

// loneBracket is a < of prose right before a template: there is a space between them, or no > follows.
var loneBracket = regexp.MustCompile(`<(?:\s+\{\{|\{\{[^>]*$)`)

func (j *judge) object(path string, object map[string]any) {
	text, _ := object["text"].(string)
	open := object["type"] == slack.MarkdownType && j.open(text)
	if open && object["verbatim"] == false {
		j.add(path+".verbatim", "must not be false beside a template: Slack would make mentions of what it puts in")
	}
	if open && loneBracket.MatchString(text) {
		j.add(path+".text", "has a lone < before a template, where only a link's address is put in: write &lt;")
	}
	if button, ok := object["text"].(map[string]any); ok && object["type"] == "button" {
		j.text(path+".text", button, maxButton, slack.PlainTextType)
	}
	for _, key := range sortedKeys(object) {
		at := path + "." + key
		text, isText := object[key].(string)
		switch {
		case !isText:
			j.walk(at, object[key])
		case (key == "type" || key == "range") && j.open(text):
			j.add(at, "must not be a template")
		case (key == "url" || key == "image_url") && !j.open(text) && (j.literal || strings.TrimSpace(text) != ""):
			if j.length(at, text, maxAddress); !isWeb(text) && !strings.HasPrefix(text, "mailto:") {
				j.add(at, "must be an http or https URL")
			}
		}
	}
}

// units is how many characters a text has as Slack counts them.
func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
