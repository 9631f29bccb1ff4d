package pagerduty

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// PagerDuty's limits, and our own below its 512 KB for an event.
// https://developer.pagerduty.com/docs/send-alert-event, https://developer.pagerduty.com/docs/events-api-v2-overview
const (
	maxSummary = 1024
	maxField   = 255 // source, component, group, class
	maxText    = 16_000
	maxFacts   = 40
	maxValue   = 500
	maxLinks   = 20
	maxURL     = 2000
)

// event is the body of POST /v2/enqueue.
type event struct {
	RoutingKey string  `json:"routing_key,omitempty"`
	Action     string  `json:"event_action"`
	DedupKey   string  `json:"dedup_key"`
	Payload    payload `json:"payload"`
	Links      []link  `json:"links,omitempty"`
	Client     string  `json:"client"`
	ClientURL  string  `json:"client_url,omitempty"`
}

type payload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp,omitempty"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class,omitempty"`
	Details   map[string]any `json:"custom_details,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text,omitempty"`
}

// State is the dedup_key of m's incident, and whether m triggers or resolves that. Good news resolve; PagerDuty drops a
// resolve where no incident is open.
func (d *Destination) State(m notifier.Message) (key, action string) {
	action = "trigger"
	if m.Status == notifier.Success {
		action = "resolve"
	}
	return d.dedupKey(m), action
}

// event is m as PagerDuty takes it, but for the routing key.
func (d *Destination) event(m notifier.Message) event {
	key, action := d.State(m)
	e := event{Action: action, DedupKey: key, Payload: d.payload(m), Links: links(m), Client: "Flyte"}
	if len(e.Links) > 0 {
		e.ClientURL = e.Links[0].Href
	}
	return e
}

func (d *Destination) payload(m notifier.Message) payload {
	scope := path(variable(m, "Project"), variable(m, "Domain"))
	p := payload{
		Summary:   notifier.Cut(cmp.Or(notifier.OneLine(m.Title), notifier.OneLine(m.Reason), "Flyte notification"), maxSummary),
		Source:    field(path("flyte", scope, variable(m, "Name"))),
		Severity:  cmp.Or(d.Severity, severity(m.Status)),
		Component: field(cmp.Or(notifier.OneLine(d.Component), variable(m, "Workflow"))),
		Group:     field(cmp.Or(notifier.OneLine(d.Group), scope)),
		Class:     field(cmp.Or(notifier.OneLine(d.Class), m.Reason)),
		Details:   details(m),
	}
	if !m.Time.IsZero() {
		p.Timestamp = m.Time.UTC().Format(time.RFC3339)
	}
	return p
}

// severity is PagerDuty's for a kind of news. None is critical by itself: that is for people to say.
func severity(s notifier.Status) string {
	switch s {
	case notifier.Failure:
		return "error"
	case notifier.Warning:
		return "warning"
	}
	return "info"
}

// path joins the parts that there are.
func path(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/")
}

func field(s string) string { return notifier.Cut(notifier.OneLine(s), maxField) }

// details are the facts, error, body and notes by name. PagerDuty shows them as a table, of plain text.
func details(m notifier.Message) map[string]any {
	all := map[string]any{}
	put := func(name, value string) {
		if value == "" {
			return
		}
		if old, twice := all[name].(string); twice {
			value = old + "\n" + value
		}
		all[name] = value
	}
	for _, f := range m.Facts[:min(len(m.Facts), maxFacts)] {
		put(cmp.Or(field(f.Name), "Fact"), notifier.Cut(notifier.OneLine(f.Value), maxValue))
	}
	put("Error", notifier.CutMiddle(notifier.Lines(m.Error), maxText))
	put("Message", notifier.CutMiddle(notifier.Lines(m.Body), maxText))
	put("Reason", field(m.Reason))
	for _, note := range m.Notes[:min(len(m.Notes), maxFacts)] {
		put("Note", notifier.Cut(notifier.OneLine(note), maxValue))
	}
	return all
}

// links are those of the message and of its facts, each address once.
func links(m notifier.Message) []link {
	var all []link
	add := func(text, address string) {
		href := exchange.WebLink(address, maxURL)
		if href == "" || len(all) == maxLinks || slices.ContainsFunc(all, func(l link) bool { return l.Href == href }) {
			return
		}
		all = append(all, link{href, field(text)})
	}
	for _, l := range m.Links {
		add(l.Text, l.URL)
	}
	for _, f := range m.Facts {
		add(f.Name+" "+f.Value, f.URL)
	}
	return all
}
