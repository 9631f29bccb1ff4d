package slacksim

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func (c *Channel) kind() string {
	switch {
	case c.User != "":
		return "im"
	case c.Private:
		return "private_channel"
	}
	return "public_channel"
}

// scope is the scope that reading ("read") or the history ("history") of this channel takes.
func (c *Channel) scope(what string) string { return scopeOf(c.kind()) + ":" + what }

func scopeOf(kind string) string {
	switch kind {
	case "private_channel":
		return "groups"
	case "public_channel":
		return "channels"
	}
	return kind
}

func (c *Channel) json() object {
	return object{
		"id": c.ID, "name": c.Name, "is_channel": c.kind() == "public_channel", "is_private": c.Private,
		"is_im": c.User != "", "user": c.User, "is_archived": c.Archived, "is_member": !c.NotMember,
	}
}

// visible says whether the bot may know that the channel exists.
func (c *Channel) visible() bool { return !c.Private || !c.NotMember }

func (s *Sim) list(c call) object {
	types := c.args["types"]
	if types == "" {
		types = "public_channel"
	}
	kinds := strings.Split(types, ",")
	for _, kind := range kinds {
		if refused := c.may(scopeOf(kind) + ":read"); refused != nil {
			return refused
		}
	}
	var found []*Channel
	for _, channel := range s.channels {
		hidden := channel.Archived && c.args["exclude_archived"] == "true"
		if slices.Contains(kinds, channel.kind()) && channel.visible() && !hidden {
			found = append(found, channel)
		}
	}
	return page(s, c, "channels", found, (*Channel).json)
}

func (s *Sim) info(c call) object {
	channel, refused := s.byID(c, "read")
	if refused != nil {
		return refused
	}
	return object{"ok": true, "channel": channel.json()}
}

// byID finds the channel argument, an id, for a token that may read it.
func (s *Sim) byID(c call, what string) (*Channel, object) {
	channel := s.find(c.args["channel"])
	if channel == nil || channel.ID != c.args["channel"] || !channel.visible() {
		return nil, fail("channel_not_found")
	}
	return channel, c.may(channel.scope(what))
}

// join makes the bot a member of a public channel.
func (s *Sim) join(c call) object {
	if refused := c.may("channels:join"); refused != nil {
		return refused
	}
	channel := s.find(c.args["channel"])
	switch {
	case channel == nil || channel.ID != c.args["channel"] || !channel.visible():
		return fail("channel_not_found")
	case channel.kind() != "public_channel":
		return fail("method_not_supported_for_channel_type")
	case channel.Archived:
		return fail("is_archived")
	}
	channel.NotMember = false
	return object{"ok": true, "channel": channel.json()}
}

func (s *Sim) open(c call) object {
	if refused := c.may("im:write"); refused != nil {
		return refused
	}
	channel := s.direct(c.args["users"])
	if channel == nil {
		return fail("user_not_found")
	}
	return object{"ok": true, "channel": channel.json()}
}

// direct returns the direct message with a user, opening it when there is none yet.
func (s *Sim) direct(user string) *Channel {
	if !slices.ContainsFunc(s.users, func(u User) bool { return u.ID == user }) {
		return nil
	}
	i := slices.IndexFunc(s.channels, func(c *Channel) bool { return c.User == user })
	if i >= 0 {
		return s.channels[i]
	}
	channel := &Channel{ID: fmt.Sprintf("D%09d", len(s.channels)+1), User: user}
	s.channels = append(s.channels, channel)
	return channel
}

func (s *Sim) groups(c call) object {
	if refused := c.may("usergroups:read"); refused != nil {
		return refused
	}
	all := []object{}
	for _, g := range s.userGroups {
		all = append(all, object{"id": g.ID, "handle": g.Handle, "name": g.Handle, "is_usergroup": true})
	}
	return object{"ok": true, "usergroups": all}
}

func (s *Sim) lookupByEmail(c call) object {
	if refused := c.may("users:read.email"); refused != nil {
		return refused
	}
	for _, u := range s.users {
		if u.Email != "" && strings.EqualFold(u.Email, c.args["email"]) {
			return object{"ok": true, "user": object{
				"id": u.ID, "name": u.Name, "real_name": u.Name, "profile": object{"email": u.Email},
			}}
		}
	}
	return fail("users_not_found")
}

// history shows a channel's messages, newest first, replies in threads left out but those shown in the channel.
func (s *Sim) history(c call) object {
	channel, refused := s.byID(c, "history")
	switch {
	case refused != nil:
		return refused
	case channel.NotMember:
		return fail("not_in_channel")
	}
	var found []Message
	for _, m := range slices.Backward(s.messages) {
		inThread := m.ThreadTS != "" && m.ThreadTS != m.TS && !m.Broadcast
		if m.Channel == channel.ID && !inThread && within(m.TS, c.args) {
			found = append(found, m)
		}
	}
	return page(s, c, "messages", found, s.shows(c))
}

// replies shows a thread: its first message, and then the replies from the oldest on.
func (s *Sim) replies(c call) object {
	channel, refused := s.byID(c, "history")
	switch {
	case refused != nil:
		return refused
	case channel.NotMember:
		return fail("not_in_channel")
	}
	var found []Message
	for _, m := range s.messages {
		parent := m.TS == c.args["ts"]
		if m.Channel == channel.ID && (parent || m.ThreadTS == c.args["ts"] && within(m.TS, c.args)) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return fail("thread_not_found")
	}
	return page(s, c, "messages", found, s.shows(c))
}

// shows is how the call sees messages.
func (s *Sim) shows(c call) func(Message) object {
	metadata := isTrue(c.args["include_all_metadata"])
	return func(m Message) object { return s.shown(m, metadata) }
}

// within says whether a ts lies between the arguments oldest and latest.
func within(ts string, args map[string]string) bool {
	at := micros(ts)
	if isTrue(args["inclusive"]) {
		return (args["oldest"] == "" || at >= micros(args["oldest"])) && (args["latest"] == "" || at <= micros(args["latest"]))
	}
	return (args["oldest"] == "" || at > micros(args["oldest"])) && (args["latest"] == "" || at < micros(args["latest"]))
}

func micros(ts string) int64 {
	whole, fraction, _ := strings.Cut(ts, ".")
	seconds, _ := strconv.ParseInt(whole, 10, 64) // Slack takes nonsense for zero as well
	part, _ := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	return seconds*1e6 + part
}

func isTrue(arg string) bool { return arg == "1" || arg == "true" }

// page cuts the page out that a call asks for, and says where the next one begins.
func page[T any](s *Sim, c call, key string, all []T, show func(T) object) object {
	start := 0
	if cursor := c.args["cursor"]; cursor != "" {
		text, err := base64.StdEncoding.DecodeString(cursor)
		if err == nil {
			start, err = strconv.Atoi(string(text))
		}
		if err != nil || start < 0 || start > len(all) {
			return fail("invalid_cursor")
		}
	}
	size := s.pageSize
	if limit, err := strconv.Atoi(c.args["limit"]); err == nil && limit > 0 {
		size = min(size, limit)
	}
	end := min(start+size, len(all))
	next := ""
	if end < len(all) {
		next = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	shown := []object{}
	for _, item := range all[start:end] {
		shown = append(shown, show(item))
	}
	return object{"ok": true, key: shown, "has_more": next != "", "response_metadata": object{"next_cursor": next}}
}
