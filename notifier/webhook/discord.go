package webhook

import (
	"net/url"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Discord's limits, in characters: https://discord.com/developers/docs/resources/message#embed-object-embed-limits.
// Those of the parts leave room for all of them in the whole's 6,000.
const (
	discordTitle  = 256
	discordBody   = 1600
	discordText   = 3500 // body, error and links; the embed's description may have 4,096
	discordFacts  = 20   // of 25
	discordName   = 100  // of 256
	discordValue  = 300  // of 1,024
	discordFields = 1900 // all of them
	discordFooter = 300  // of 2,048
)

// discordMessage is what is posted. https://discord.com/developers/docs/resources/webhook#execute-webhook
type discordMessage struct {
	Embeds []embed `json:"embeds"`
	// Mentions of nobody: whatever a text says, no one is told by it.
	AllowedMentions allowedMentions `json:"allowed_mentions"`
}

type allowedMentions struct {
	Parse []string `json:"parse"`
}

type embed struct {
	Title       string       `json:"title"`
	URL         string       `json:"url,omitempty"`
	Description string       `json:"description,omitempty"`
	Color       int          `json:"color"`
	Fields      []embedField `json:"fields,omitempty"`
	Footer      *embedFooter `json:"footer,omitempty"`
	Timestamp   string       `json:"timestamp,omitempty"`
}

type embedField struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline"`
}

type embedFooter struct {
	Text string `json:"text"`
}

func discord(m notifier.Message) discordMessage {
	c := contentOf(m, discordFacts)
	shown := dialect{escape: markdown, size: units, links: true}
	e := embed{
		Title: shown.text(c.title, discordTitle), Color: c.color(), Timestamp: c.time,
		Description: marked(c, shown, discordBody, discordText),
	}
	if len(c.links) > 0 {
		e.URL = c.links[0].URL
	}
	used := 0
	for _, f := range c.facts {
		field := embedField{shown.text(f.Name, discordName), linked(shown, f, discordValue), true}
		if used += units(field.Name) + units(field.Value); used > discordFields {
			c.footer = joined(c.footer, "more facts than are shown")
			break
		}
		e.Fields = append(e.Fields, field)
	}
	if c.footer != "" {
		e.Footer = &embedFooter{dialect{escape: unmentioned, size: units}.text(c.footer, discordFooter)}
	}
	return discordMessage{[]embed{e}, allowedMentions{[]string{}}}
}

// discordVersion makes the URL of a webhook, which Discord gives without the version of its API, that of version 10.
// Without one it is version 6, which counts Retry-After and retry_after in milliseconds:
// https://discord.com/developers/docs/reference#api-versioning
func discordVersion(u *url.URL) {
	const unversioned, versioned = "/api/webhooks/", "/api/v10/webhooks/"
	for _, path := range []*string{&u.Path, &u.RawPath} {
		if rest, ok := strings.CutPrefix(*path, unversioned); ok {
			*path = versioned + rest
		}
	}
}

// joined adds a remark to the small print, once.
func joined(footer, remark string) string {
	switch {
	case footer == "":
		return remark
	case strings.Contains(footer, remark):
		return footer
	}
	return footer + " · " + remark
}

// marked is body, error and links in Markdown, of at most so many characters altogether, of which the body may have the
// first.
func marked(c content, shown dialect, body, most int) string {
	const fences = len("```\n\n```")
	var parts, links []string
	for _, l := range c.links {
		if link := "[" + shown.text(l.Text, 100) + "](" + l.URL + ")"; most >= 4*shown.size(link) {
			links = append(links, link)
			most -= shown.size(link) + 3
		}
	}
	if c.body != "" {
		text := shown.text(c.body, min(body, most))
		parts = append(parts, text)
		most -= shown.size(text) + 2
	}
	if c.error != "" {
		parts = append(parts, "```\n"+dialect{escape: fenced, size: shown.size}.text(c.error, most-fences-2)+"\n```")
	}
	if len(links) > 0 {
		parts = append(parts, strings.Join(links, " · "))
	}
	return strings.Join(parts, "\n")
}

// linked is a fact's value, which leads to its URL where there is room for that.
func linked(shown dialect, f notifier.Fact, most int) string {
	if f.URL == "" {
		return shown.text(f.Value, most)
	}
	plain := shown
	plain.links = false // a link within a link is none
	value := plain.text(f.Value, most)
	if link := "[" + value + "](" + f.URL + ")"; shown.size(link) <= most {
		return link
	}
	return value
}
