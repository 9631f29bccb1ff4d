package webhook

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// How long texts of the JSON are, in characters, and how many there are in a list: a receiver gets some 2.5 MB at
// the very most.
const (
	longText  = 16 << 10
	shortText = 1000
	mostItems = 100
)

// Payload is the format json: the message in no service's own form. Keys are added in later versions, and none changes
// its meaning. All texts are plain text of others: what shows them must escape them.
type Payload struct {
	Key    string          `json:"key"`    // the same on every attempt, also in the headers webhook-id and Idempotency-Key
	Status notifier.Status `json:"status"` // success, info, warning or failure
	Reason string          `json:"reason"` // why it is sent: "phase:FAILED"
	Title  string          `json:"title"`
	Body   string          `json:"body"`  // lines; empty when facts and error say all
	Facts  []Fact          `json:"facts"` // never null, as all lists
	Error  string          `json:"error"`
	Links  []Link          `json:"links"`
	Notes  []string        `json:"notes"`
	Time   string          `json:"time"` // when it happened, RFC 3339 in UTC; empty when not known
	// Vars are the template variables by their names: Project, Domain, Name, Phase, Workflow and the others.
	Vars map[string]any `json:"vars"`
}

// Fact is one name and its value; URL may be empty.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	URL   string `json:"url,omitempty"`
}

// Link is where to look further.
type Link struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}

func neutral(m notifier.Message) Payload {
	p := Payload{
		Key: line1(m.Key, shortText), Status: notifier.Status(line1(string(m.Status), 40)), Reason: line1(m.Reason, shortText),
		Title: line1(m.Title, shortText), Body: lines(m.Body, longText), Error: lines(m.Error, longText),
		Facts: []Fact{}, Links: []Link{}, Notes: []string{}, Time: moment(m.Time),
	}
	for _, f := range m.Facts[:min(len(m.Facts), mostItems)] {
		p.Facts = append(p.Facts, Fact{line1(f.Name, shortText), lines(f.Value, shortText), webLink(f.URL)})
	}
	for _, l := range m.Links[:min(len(m.Links), mostItems)] {
		if to := webLink(l.URL); to != "" {
			p.Links = append(p.Links, Link{line1(l.Text, shortText), to})
		}
	}
	for _, note := range m.Notes[:min(len(m.Notes), mostItems)] {
		p.Notes = append(p.Notes, line1(note, shortText))
	}
	p.Vars = variables(m.Vars)
	return p
}

// variables are those of the message, without the inputs if these are too large for a message, nor the labels if it is
// still, and none at all if that is not enough.
func variables(vars map[string]any) map[string]any {
	const most = 256 << 10
	all := map[string]any{}
	for name, value := range vars {
		all[line1(name, shortText)] = portable(value, 0)
	}
	fits := func() bool {
		raw, err := exchange.JSON(all)
		return err == nil && len(raw) <= most
	}
	for _, large := range []string{"Inputs", "Labels"} {
		if fits() {
			return all
		}
		all[large] = nil
	}
	if fits() {
		return all
	}
	return map[string]any{}
}

// portable is the value as JSON can hold it: numbers that are none become text, and so does what is nested too deep.
func portable(v any, depth int) any {
	const deepest = 32
	switch v := v.(type) {
	case nil, bool, json.Number:
		return v
	case string:
		return lines(v, longText)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
		return v
	case fmt.Stringer:
		return lines(v.String(), longText)
	}
	switch r := reflect.ValueOf(v); {
	case depth >= deepest:
		return lines(fmt.Sprint(v), longText)
	case r.CanInt() || r.CanUint():
		return v
	case r.Kind() == reflect.Map && r.Type().Key().Kind() == reflect.String:
		all := map[string]any{}
		for key, value := range r.Seq2() {
			all[line1(key.String(), shortText)] = portable(value.Interface(), depth+1)
		}
		return all
	case r.Kind() == reflect.Slice:
		all := make([]any, r.Len())
		for i := range all {
			all[i] = portable(r.Index(i).Interface(), depth+1)
		}
		return all
	}
	return lines(fmt.Sprint(v), longText)
}

// event is a CloudEvent in structured mode.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
type event struct {
	SpecVersion string  `json:"specversion"`
	ID          string  `json:"id"`
	Source      string  `json:"source"`
	Type        string  `json:"type"`
	Subject     string  `json:"subject,omitempty"`
	Time        string  `json:"time,omitempty"`
	ContentType string  `json:"datacontenttype"`
	Data        Payload `json:"data"`
}

// eventType begins the type of every event; the kind of the reason follows: org.flyte.notification.phase.
const eventType = "org.flyte.notification"

func cloudEvent(m notifier.Message, source string) event {
	data := neutral(m)
	e := event{
		SpecVersion: "1.0", ID: data.Key, Source: source, Type: eventType, Time: data.Time, ContentType: "application/json", Data: data,
	}
	kind, _, _ := strings.Cut(data.Reason, ":")
	if kind = strings.ToLower(kind); kind != "" && strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz_") == "" {
		e.Type += "." + kind
	}
	var path []string
	for _, name := range []string{"Project", "Domain", "Name"} {
		if text, ok := m.Vars[name].(string); ok && text != "" {
			path = append(path, url.PathEscape(line1(text, shortText)))
		}
	}
	e.Subject = strings.Join(path, "/")
	return e
}

func moment(t time.Time) string {
	if t.IsZero() || t.Year() > 9999 || t.Year() < 1 {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func line1(s string, most int) string { return notifier.Cut(notifier.OneLine(s), most) }

func lines(s string, most int) string {
	return notifier.Cut(strings.Trim(notifier.Printable(s), "\n"), most)
}
