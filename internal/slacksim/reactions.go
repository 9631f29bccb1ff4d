package slacksim

import (
	"regexp"
	"slices"
)

// Reaction is an emoji that people put on a message.
type Reaction struct {
	Name  string // without colons: "eyes"
	Users []string
}

// emoji is the name of one, perhaps in a color of skin.
var emoji = regexp.MustCompile(`^[a-z0-9_+'-]+(::skin-tone-[2-6])?$`)

// React puts a user's reaction on a message, as reactions.add does. It returns Slack's code why it cannot, or "".
func (s *Sim) React(channel, ts, user, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(channel)
	if c == nil {
		return "channel_not_found"
	}
	return s.react(c.ID, ts, user, name)
}

func (s *Sim) react(channel, ts, user, name string) string {
	i := s.index(channel, ts)
	switch {
	case i < 0 || s.messages[i].deleted:
		return "message_not_found"
	case !emoji.MatchString(name):
		return "invalid_name"
	}
	m := &s.messages[i]
	m.Reactions = slices.Clone(m.Reactions) // copies of the message were given away
	n := slices.IndexFunc(m.Reactions, func(r Reaction) bool { return r.Name == name })
	if n < 0 {
		m.Reactions, n = append(m.Reactions, Reaction{Name: name}), len(m.Reactions)
	}
	if slices.Contains(m.Reactions[n].Users, user) {
		return "already_reacted"
	}
	m.Reactions[n].Users = append(slices.Clone(m.Reactions[n].Users), user)
	s.stir()
	return ""
}

func (s *Sim) addReaction(c call) object {
	if refused := c.may("reactions:write"); refused != nil {
		return refused
	}
	channel, code := s.item(c)
	if code == "" {
		code = s.react(channel.ID, c.args["timestamp"], "U000000BOT", c.args["name"])
	}
	if code != "" {
		return fail(code)
	}
	return object{"ok": true}
}

func (s *Sim) getReactions(c call) object {
	if refused := c.may("reactions:read"); refused != nil {
		return refused
	}
	channel, code := s.item(c)
	if code != "" {
		return fail(code)
	}
	i := s.index(channel.ID, c.args["timestamp"])
	if i < 0 || s.messages[i].deleted {
		return fail("message_not_found")
	}
	return object{"ok": true, "type": "message", "channel": channel.ID, "message": s.shown(s.messages[i], false)}
}

// item finds the channel of the message that a call names.
func (s *Sim) item(c call) (*Channel, string) {
	if c.args["channel"] == "" || c.args["timestamp"] == "" {
		return nil, "no_item_specified"
	}
	return s.exact(c.args["channel"])
}

// reactionsJSON are the reactions as the API shows them.
func reactionsJSON(all []Reaction) []object {
	var shown []object
	for _, r := range all {
		shown = append(shown, object{"name": r.Name, "users": r.Users, "count": len(r.Users)})
	}
	return shown
}
