package slacksim

import (
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// object is a JSON answer.
type object = map[string]any

// call is one method call: its arguments and what its token may do.
type call struct {
	args   map[string]string
	token  string
	scopes []string
}

// may is nil when the token has any of the scopes, else Slack's answer that it has not.
func (c call) may(scopes ...string) object {
	if slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(c.scopes, s) }) {
		return nil
	}
	answer := fail("missing_scope")
	answer["needed"] = strings.Join(scopes, ",")
	answer["provided"] = strings.Join(c.scopes, ",")
	return answer
}

// ServeHTTP answers one call of the Web API; the method is the last segment of the path.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	uploads := strings.HasPrefix(r.URL.Path, uploadPath)
	var args map[string]string
	var err error
	if uploads {
		method = Upload
	} else {
		args, err = arguments(r)
	}
	f := s.fault(method)
	if f != nil {
		if !s.late(r, f.Latency) {
			reset(w)
			return
		}
		if f.Stored && err == nil && !uploads {
			s.do(method, r, args)
		}
		if s.spoil(w, r, f) {
			return
		}
	}
	if err != nil {
		reply(w, http.StatusOK, fail("invalid_form_data"))
		return
	}
	if uploads {
		s.takeFile(w, r)
		return
	}
	status, answer, scopes := s.do(method, r, args)
	w.Header().Set("X-OAuth-Scopes", strings.Join(scopes, ","))
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	reply(w, status, answer)
}

// do authenticates and carries a call out, all under one lock.
func (s *Sim) do(method string, r *http.Request, args map[string]string) (int, object, []string) {
	token := args["token"]
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = bearer
	}
	if token == "" {
		return http.StatusOK, fail("not_authed"), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	scopes, known := s.tokens[token]
	if !known {
		return http.StatusOK, fail("invalid_auth"), nil
	}
	answer := s.methods(method)(call{args: args, token: token, scopes: scopes})
	if answer["error"] == "ratelimited" {
		return http.StatusTooManyRequests, answer, scopes
	}
	return http.StatusOK, answer, scopes
}

func (s *Sim) methods(name string) func(call) object {
	switch name {
	case "auth.test":
		return s.authTest
	case "chat.postMessage":
		return s.postMessage
	case "chat.update":
		return s.update
	case "conversations.list":
		return s.list
	case "conversations.info":
		return s.info
	case "conversations.join":
		return s.join
	case "conversations.open":
		return s.open
	case "conversations.history":
		return s.history
	case "conversations.replies":
		return s.replies
	case "users.lookupByEmail":
		return s.lookupByEmail
	case "files.getUploadURLExternal":
		return s.getUploadURL
	case "files.completeUploadExternal":
		return s.completeUpload
	case "usergroups.list":
		return s.groups
	case "reactions.add":
		return s.addReaction
	case "reactions.get":
		return s.getReactions
	}
	return func(call) object {
		answer := fail("unknown_method")
		answer["req_method"] = name
		return answer
	}
}

func (s *Sim) authTest(call) object {
	return object{
		"ok": true, "url": "https://simulated.slack.com/", "team": "Simulated", "user": "flyte-notifier",
		"team_id": "T000000001", "user_id": "U000000BOT", "bot_id": "B000000001",
	}
}

// arguments collects what a call was given: query, form, or JSON. Objects and lists of a JSON
// body become their JSON text, as the form has them.
func arguments(r *http.Request) (map[string]string, error) {
	args := map[string]string{}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "application/json" {
		var body map[string]json.RawMessage
		if err := json.NewDecoder(io.LimitReader(r.Body, 4<<20)).Decode(&body); err != nil {
			return nil, err
		}
		for key, raw := range body {
			args[key] = unquote(raw)
		}
		return args, nil
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	for key := range maps.Keys(r.Form) {
		args[key] = r.Form.Get(key)
	}
	return args, nil
}

func unquote(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

func fail(code string) object { return object{"ok": false, "error": code} }

func reply(w http.ResponseWriter, status int, answer object) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the caller may be gone
}
