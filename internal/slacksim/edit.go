package slacksim

import (
	"maps"
	"slices"
)

// thread is the first message of the thread that a reply to ts belongs to. Where there is no such message Slack
// says nothing, and shows the reply in the channel.
func (s *Sim) thread(channel, ts string) string {
	if i := s.index(channel, ts); ts != "" && i >= 0 {
		return ts
	}
	return ""
}

// index is where a message is, or -1. A message that was deleted is there while it has replies.
func (s *Sim) index(channel, ts string) int {
	return slices.IndexFunc(s.messages, func(m Message) bool { return m.Channel == channel && m.TS == ts })
}

// update edits a message of the token's own. What is not given stays, but for blocks where there is text.
func (s *Sim) update(c call) object {
	if refused := c.may("chat:write"); refused != nil {
		return refused
	}
	channel, code := s.exact(c.args["channel"])
	if code != "" {
		return fail(code)
	}
	i := s.index(channel.ID, c.args["ts"])
	switch {
	case i < 0 || s.messages[i].deleted:
		return fail("message_not_found")
	case s.messages[i].Token != c.token:
		return fail("cant_update_message")
	}
	if code := checkContent(c.args); code != "" {
		return fail(code)
	}
	m := &s.messages[i]
	m.Text, m.Blocks = c.args["text"], raw(c.args["blocks"])
	if c.args["metadata"] != "" {
		m.Metadata = raw(c.args["metadata"])
	}
	m.Edits, m.Args = m.Edits+1, maps.Clone(c.args)
	delete(m.Args, "token")
	s.stir()
	return object{"ok": true, "channel": m.Channel, "ts": m.TS, "text": m.Text, "message": s.shown(*m, true)}
}

// exact finds the channel of an id, for methods that take no names.
func (s *Sim) exact(id string) (*Channel, string) {
	channel := s.find(id)
	if channel == nil || channel.ID != id || !channel.visible() {
		return nil, "channel_not_found"
	}
	return channel, ""
}

// Delete deletes a message, as a person may. A mark stays where it was while it has replies. It returns false
// when there is no such message.
func (s *Sim) Delete(channel, ts string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(channel)
	if c == nil {
		return false
	}
	i := s.index(c.ID, ts)
	if i < 0 || s.messages[i].deleted {
		return false
	}
	if s.replyCount(s.messages[i]) > 0 {
		s.messages[i].deleted = true
	} else {
		s.messages = slices.Delete(s.messages, i, i+1)
	}
	s.stir()
	return true
}

func (s *Sim) replyCount(parent Message) (n int) {
	for _, m := range s.messages {
		if m.Channel == parent.Channel && m.ThreadTS == parent.TS && m.TS != parent.TS {
			n++
		}
	}
	return n
}
