package slacksim

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"
	"unicode/utf8"
)

// Slack's limits on a message, as documented; maxBlocksText was found by others' trials.
const (
	maxText       = 40_000
	maxBlocks     = 50
	maxBlocksText = 13_200
	maxHeader     = 150
	maxTextObject = 3_000
	maxFields     = 10
	maxField      = 2_000
	maxElements   = 10
	maxActions    = 25
	maxButton     = 75
	maxMetadata   = 16 << 10
)

func (s *Sim) postMessage(c call) object {
	if refused := c.may("chat:write"); refused != nil {
		return refused
	}
	channel, code := s.target(c)
	if code == "" {
		code = checkContent(c.args)
	}
	if code != "" {
		return fail(code)
	}
	now := time.Now()
	if last, ok := s.lastPost[channel.ID]; ok && s.every > 0 && now.Sub(last) < s.every {
		return fail("ratelimited")
	}
	s.lastPost[channel.ID] = now
	m := Message{
		Channel: channel.ID, TS: s.stamp(now), ThreadTS: s.thread(channel.ID, c.args["thread_ts"]), Text: c.args["text"],
		Blocks: raw(c.args["blocks"]), Metadata: raw(c.args["metadata"]), Token: c.token, Args: maps.Clone(c.args), Posted: now,
	}
	delete(m.Args, "token")
	m.Broadcast = m.ThreadTS != "" && isTrue(c.args["reply_broadcast"])
	s.messages = append(s.messages, m)
	s.stir()
	return object{"ok": true, "channel": m.Channel, "ts": m.TS, "message": s.shown(m, true)}
}

// target finds the channel that a message shall go to, or Slack's code why it cannot.
func (s *Sim) target(c call) (*Channel, string) {
	channel := s.find(c.args["channel"])
	if channel == nil {
		channel = s.direct(c.args["channel"])
	}
	switch {
	case channel == nil, channel.Private && channel.NotMember:
		return nil, "channel_not_found"
	case channel.Archived:
		return nil, "is_archived"
	case channel.NotMember && c.may("chat:write.public") != nil:
		return nil, "not_in_channel"
	}
	return channel, ""
}

// stamp returns a ts that no message had before: Slack's are unique in a channel.
func (s *Sim) stamp(now time.Time) string {
	s.lastTS = max(s.lastTS+1, now.UnixMicro())
	return fmt.Sprintf("%d.%06d", s.lastTS/1e6, s.lastTS%1e6)
}

// checkContent returns Slack's code for what is wrong with a message's content, or "".
func checkContent(args map[string]string) string {
	text, blocks, metadata := args["text"], args["blocks"], args["metadata"]
	switch {
	case text == "" && blocks == "":
		return "no_text"
	case utf8.RuneCountInString(text) > maxText:
		return "msg_too_long"
	case len(metadata) > maxMetadata:
		return "metadata_too_large"
	case metadata != "" && !validMetadata(metadata):
		return "invalid_metadata_format"
	case blocks != "":
		return checkBlocks(blocks)
	}
	return ""
}

func validMetadata(text string) bool {
	var m struct {
		Type    string         `json:"event_type"`
		Payload map[string]any `json:"event_payload"`
	}
	return json.Unmarshal([]byte(text), &m) == nil && m.Type != "" && m.Payload != nil
}

func checkBlocks(text string) string {
	var blocks []block
	if json.Unmarshal([]byte(text), &blocks) != nil {
		return "invalid_blocks_format"
	}
	if len(blocks) > maxBlocks {
		return "invalid_blocks"
	}
	for _, b := range blocks {
		if !b.valid() {
			return "invalid_blocks"
		}
	}
	if utf8.RuneCountInString(text) > maxBlocksText {
		return "msg_blocks_too_long"
	}
	return ""
}

// block is what the simulator understands of Block Kit.
type block struct {
	Type     string      `json:"type"`
	Text     *textObject `json:"text"`
	Fields   []textObject
	Elements []element
	ImageURL string `json:"image_url"`
	AltText  string `json:"alt_text"`
}

type textObject struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// element is a text object of a context block, a part of a rich text, or a button.
type element struct {
	Type     string `json:"type"`
	Text     label  `json:"text"`
	URL      string `json:"url"`
	Elements []element
}

// label is an element's text, or that of the text object which a button has for it.
type label string

// UnmarshalJSON reads either.
func (l *label) UnmarshalJSON(raw []byte) error {
	var object textObject
	if json.Unmarshal(raw, &object) == nil {
		*l = label(object.Text)
		return nil
	}
	return json.Unmarshal(raw, (*string)(l))
}

func (t textObject) valid(limit int) bool {
	n := utf8.RuneCountInString(t.Text)
	return (t.Type == "plain_text" || t.Type == "mrkdwn") && n > 0 && n <= limit
}

func (b block) valid() bool {
	switch b.Type {
	case "divider":
		return true
	case "image":
		return b.ImageURL != "" && b.AltText != ""
	case "actions":
		ok := len(b.Elements) > 0 && len(b.Elements) <= maxActions
		for _, e := range b.Elements {
			ok = ok && e.Type != "" && (e.Type != "button" || textObject{"plain_text", string(e.Text)}.valid(maxButton))
		}
		return ok
	case "header":
		return b.Text != nil && b.Text.Type == "plain_text" && b.Text.valid(maxHeader)
	case "section":
		ok := (b.Text != nil || len(b.Fields) > 0) && len(b.Fields) <= maxFields
		for _, f := range b.Fields {
			ok = ok && f.valid(maxField)
		}
		return ok && (b.Text == nil || b.Text.valid(maxTextObject))
	case "context":
		ok := len(b.Elements) > 0 && len(b.Elements) <= maxElements
		for _, e := range b.Elements {
			ok = ok && (e.Type == "image" || textObject{e.Type, string(e.Text)}.valid(maxTextObject))
		}
		return ok
	case "rich_text":
		return len(b.Elements) > 0 && validRich(b.Elements)
	}
	return false
}

// validRich refuses empty text elements, as Slack does.
func validRich(all []element) bool {
	for _, e := range all {
		if e.Type == "text" && e.Text == "" || !validRich(e.Elements) {
			return false
		}
	}
	return true
}

func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// shown is the message as the API shows it; metadata only where it was asked for.
func (s *Sim) shown(m Message, metadata bool) object {
	if m.deleted {
		return object{"type": "message", "subtype": "tombstone", "ts": m.TS, "thread_ts": m.TS, "text": "This message was deleted."}
	}
	out := object{"type": "message", "subtype": "bot_message", "bot_id": "B000000001", "ts": m.TS, "text": m.Text}
	if n := s.replyCount(m); n > 0 {
		out["thread_ts"], out["reply_count"] = m.TS, n
	}
	if m.ThreadTS != "" {
		out["thread_ts"] = m.ThreadTS
	}
	if m.Broadcast {
		out["subtype"] = "thread_broadcast"
	}
	if m.Blocks != nil {
		out["blocks"] = m.Blocks
	}
	if len(m.Reactions) > 0 {
		out["reactions"] = reactionsJSON(m.Reactions)
	}
	if metadata && m.Metadata != nil {
		out["metadata"] = m.Metadata
	}
	return out
}
