package webhook

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// The formats: how a message looks to whoever gets it.
const (
	formatJSON        = "json"
	formatCloudEvents = "cloudevents"
	formatTemplate    = "template"
	formatMattermost  = "mattermost"
	formatDiscord     = "discord"
	formatGoogleChat  = "google-chat"
	formatNtfy        = "ntfy"
)

// Config is what the server's config says of a webhook connection.
type Config struct {
	URL           notifier.Secret   `json:"url,omitempty" doc:"where the URL is kept; without one, each destination gives its own"`
	Method        string            `json:"method,omitempty" enum:"POST,PUT,PATCH" default:"POST" doc:"the request's method"`
	Headers       map[string]Header `json:"headers,omitempty" doc:"headers of every request, by name"`
	SigningSecret notifier.Secret   `json:"signing_secret,omitempty" doc:"where the secret is kept that signs each request as Standard Webhooks has it: whsec_ and base64; several, separated by spaces, while one takes the place of another"`
	Format        string            `json:"format,omitempty" enum:"json,cloudevents,template,mattermost,discord,google-chat,ntfy" default:"json" doc:"what is sent; template: a body of one's own"`
	Body          string            `json:"body,omitempty" doc:"with format template: all that is sent, a template, where the destination has none"`
	Source        string            `json:"source,omitempty" doc:"the source of CloudEvents, a URI or part of one; default flyte-notifier"`
	ContentType   string            `json:"content_type,omitempty" doc:"of a destination's body; default application/json, which the body then must be"`
	AllowPrivate  bool              `json:"allow_private,omitempty" default:"false" doc:"let private and loopback addresses be reached, and ports other than 80 and 443"`
}

// Header is a header's value: where it is kept, or the value itself where it is no secret.
type Header struct {
	notifier.Secret

	Plain string `json:"value,omitempty" doc:"the value itself, which is no secret"`
}

// Validate returns what is wrong with the value's form; it reads nothing.
func (h Header) Validate() []notifier.Problem {
	given := 0
	for _, text := range []string{h.Env, h.File, h.Plain} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		return []notifier.Problem{{Text: "must be exactly one of {env: NAME}, {file: PATH} and {value: TEXT}"}}
	}
	if !fieldValue(h.Plain) {
		return []notifier.Problem{{Path: "value", Text: "must be text without line breaks and control characters"}}
	}
	return nil
}

// read is the value as it is now.
func (h Header) read() (string, error) {
	if h.Secret.IsZero() {
		return h.Plain, nil
	}
	return h.Secret.Value()
}

// Validate returns what is wrong beside the references, which validate themselves.
func (c *Config) Validate() []notifier.Problem {
	all := &problems{}
	c.headers(all)
	if c.chat() && c.Method != "" && c.Method != http.MethodPost {
		all.add("method", "must be POST for %s", c.Format)
	}
	if c.Source != "" && c.Format != formatCloudEvents {
		all.add("source", "goes with format cloudevents alone")
	} else if _, err := url.Parse(c.Source); err != nil || strings.ContainsAny(c.Source, " \t\r\n") {
		all.add("source", "must be a URI or part of one, such as /flyte/production")
	}
	if c.Body != "" && c.Format != formatTemplate {
		all.add("body", "goes with format template alone")
	} else if c.wrongBody(c.Body) {
		all.add("body", notJSON)
	}
	if c.ContentType != "" && c.Format != formatTemplate {
		all.add("content_type", "goes with format template alone")
	} else if _, _, err := mime.ParseMediaType(c.contentType()); err != nil {
		all.add("content_type", "must be a media type, such as text/plain; charset=utf-8")
	}
	return all.list
}

// ours are the headers that a connection cannot set: the request's own, and those by which a message is told. With either
// name of an idempotency key, net/http would repeat a request by itself.
func ours() []string {
	return []string{
		"Connection", "Content-Length", "Content-Type", "Host", "Idempotency-Key", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Webhook-Id", "Webhook-Signature", "Webhook-Timestamp", "X-Idempotency-Key",
	}
}

func (c *Config) headers(all *problems) {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		canonical := http.CanonicalHeaderKey(name)
		switch other, twice := seen[canonical]; {
		case !token(name):
			all.add("headers", "%q is no name of a header", notifier.Cut(name, 64))
		case slices.Contains(ours(), canonical):
			all.add("headers."+name, "is set by the notifier itself")
		case twice:
			all.add("headers."+name, "is the same header as %s", other)
		}
		seen[canonical] = name
	}
}

// CheckAllow refuses a connection that would carry its secrets wherever a task says, and patterns that no host matches.
func (c *Config) CheckAllow(a notifier.Allow) []notifier.Problem {
	all := &problems{}
	for i, pattern := range a.Destinations {
		if lower := strings.ToLower(pattern); lower != pattern {
			all.add(fmt.Sprintf("allow.destinations[%d]", i), "hosts are compared in lower case: write %q", notifier.Cut(lower, 64))
		}
	}
	if !c.URL.IsZero() || len(a.Destinations) > 0 || len(c.Headers) == 0 && c.SigningSecret.IsZero() {
		return all.list
	}
	all.add("allow.destinations", "required: the connection has headers or a signing_secret and no url, so that tasks could have them sent anywhere; "+
		"name the hosts, such as hooks.example.org")
	return all.list
}

// CheckDestination says whether the destination gives what the connection lacks, and no more.
func (c *Config) CheckDestination(d notifier.Destination) []notifier.Problem {
	to, ok := d.(*Destination)
	if !ok {
		return nil // Send tells
	}
	all := &problems{}
	switch {
	case c.URL.IsZero() && to.URL == "":
		all.add("url", "required: the connection has none")
	case !c.URL.IsZero() && to.URL != "":
		all.add("url", "must not be given: the connection has one")
	case len(c.Headers) > 0 && !c.AllowPrivate && strings.HasPrefix(strings.ToLower(to.URL), "http:"):
		all.add("url", "must be https, because the connection's headers go with the message")
	}
	if u, err := parseURL(to.URL); err == nil && c.Format == formatNtfy && !notifier.IsTemplate(to.URL) {
		if err := ntfyLacksTopic(u); err != nil {
			all.add("url", "%s", err)
		}
	}
	switch template := c.Format == formatTemplate; {
	case template && to.Body == "":
		all.add("body", "required: the connection's format is template, and it has none")
	case !template && to.Body != "":
		all.add("body", "must not be given: the connection's format is not template")
	case c.wrongBody(to.Body):
		all.add("body", notJSON)
	}
	return all.list
}

// DestinationKeys is the body for destinations that have none.
func (c *Config) DestinationKeys() map[string]any {
	if c.Body == "" {
		return nil
	}
	return map[string]any{"body": c.Body}
}

// chat says whether the receiver is a service for people, with a format of its own.
func (c *Config) chat() bool { return slices.Contains(chats(), c.Format) }

func chats() []string { return []string{formatMattermost, formatDiscord, formatGoogleChat, formatNtfy} }

// Idempotent says whether the receiver can tell a message that comes twice: it has the id. The chat services take no
// notice of it.
func (c *Config) Idempotent() bool { return !c.chat() }

// OwnRate is the service's own limit, where it is known: Google Chat takes one message a second in a space from all of
// its webhooks together (https://developers.google.com/workspace/chat/limits), Discord about 30 a minute from one.
func (c *Config) OwnRate() notifier.Rate {
	switch c.Format {
	case formatGoogleChat:
		return notifier.Rate{PerSecond: 1, Burst: 1}
	case formatDiscord:
		return notifier.Rate{PerSecond: 0.5, Burst: 5}
	}
	return notifier.Rate{}
}

func (c *Config) contentType() string {
	if c.ContentType != "" {
		return c.ContentType
	}
	return "application/json"
}

// token says whether a header may have this name (RFC 9110 section 5.6.2).
func token(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// fieldValue says whether a header may hold the text.
func fieldValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
