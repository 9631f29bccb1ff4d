package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// digestLines is how many messages a digest lists.
const digestLines = 30

// Digest is what a message tells that stands for several.
type Digest struct {
	Total  int          // messages that it stands for
	Last   time.Time    // when the last of them happened
	Counts []Count      // of those by what happened, most first
	Items  []DigestItem // the first of them
}

// Count is how often something happened.
type Count struct {
	What string
	N    int
}

// DigestItem is one message of a digest, in short.
type DigestItem struct {
	Title string
	Name  string // of the execution
	URL   string
	At    time.Time
}

// NewDigest makes the content of one message from those of several, some of which may be digests themselves.
func NewDigest(all []Content) Content {
	d := &Digest{}
	worst := all[0].Data
	counts := map[string]int{}
	for _, c := range all {
		if severity(c.Data.status()) > severity(worst.status()) {
			worst = c.Data
		}
		if last := c.last(); last.After(d.Last) {
			d.Last = last
		}
		for _, n := range c.counts() {
			if counts[n.What] == 0 {
				d.Counts = append(d.Counts, Count{What: n.What})
			}
			counts[n.What] += n.N
			d.Total += n.N
		}
	}
	for i := range d.Counts {
		d.Counts[i].N = counts[d.Counts[i].What]
	}
	slices.SortStableFunc(d.Counts, func(a, b Count) int { return b.N - a.N })
	d.Items = earliest(all)
	c := Content{Data: worst, Digest: d}
	c.Data.ConsoleURL, c.Data.Inputs = "", nil
	return c
}

// last is when that happened which the content tells of, or the last of it.
func (c Content) last() time.Time {
	if c.Digest != nil {
		return c.Digest.Last
	}
	return c.Data.At
}

// counts is what happened that the content tells of, and how often.
func (c Content) counts() []Count {
	if c.Digest != nil {
		return c.Digest.Counts
	}
	return []Count{{What: c.Data.counted(), N: 1}}
}

// earliest are the lines of what happened first.
func earliest(all []Content) []DigestItem {
	type line struct {
		item DigestItem
		of   *Content // that has yet to be rendered; nil: none
	}
	var lines []line
	for i, c := range all {
		if c.Digest == nil {
			lines = append(lines, line{DigestItem{Name: c.Data.Name, URL: web(c.Data.ConsoleURL), At: c.Data.At}, &all[i]})
			continue
		}
		for _, item := range c.Digest.Items {
			lines = append(lines, line{item, nil})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.item.At.Compare(b.item.At) })
	items := make([]DigestItem, min(len(lines), digestLines))
	for i := range items {
		items[i] = lines[i].item
		if c := lines[i].of; c != nil {
			m, _ := Message(*c, "") // where the template fails, the default message tells
			items[i].Title = m.Title
		}
	}
	return items
}

// counted is what a message is counted as: its phase, or the condition in a few words.
func (d Data) counted() string {
	r := d.reason()
	switch r.kind {
	case "running_for":
		return "running long"
	case "queued_for":
		return "queued long"
	case "deadline":
		return "deadline missed"
	case "gate":
		return "waiting for an answer"
	case "before_timeout":
		return "about to time out"
	case "node":
		_, phase := r.node()
		return "node " + phase
	case "no_success_for":
		return "no success"
	case "failure_rate":
		return "failing often"
	case "first_failure", "recovered":
		return strings.ReplaceAll(r.kind, "_", " ")
	}
	return cmp.Or(d.Phase, r.kind)
}

func severity(s notifier.Status) int {
	return slices.Index([]notifier.Status{notifier.Success, notifier.Info, notifier.Warning, notifier.Failure}, s)
}

// message is the digest's own; what it stands for has none any more.
func (d *Digest) message(data Data, key string) notifier.Message {
	m := notifier.Message{
		Key: key, Status: data.status(), Time: d.Last.UTC(), Vars: data.variables().byName(), More: d.Total - len(d.Items),
	}
	if m.Time.IsZero() { // an earlier version made it
		m.Time = data.At.UTC()
	}
	var counts, lines []string
	for _, c := range d.Counts {
		counts = append(counts, fmt.Sprintf("%d × %s", c.N, oneLine(c.What, factRunes)))
	}
	m.Title = oneLine(fmt.Sprintf("%d messages: %s", d.Total, strings.Join(counts, ", ")), titleRunes)
	for _, item := range d.Items {
		text := item.Title
		if !strings.Contains(text, item.Name) {
			text += " (" + oneLine(item.Name, factRunes) + ")"
		}
		m.Items = append(m.Items, notifier.Item{Time: item.At.UTC(), Text: text, URL: item.URL})
		lines = append(lines, "• "+item.At.UTC().Format("2006-01-02 15:04 UTC")+"  "+text+prefixed("  ", item.URL))
	}
	if m.More > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", m.More))
	}
	m.Body = strings.Join(lines, "\n")
	if len(d.Counts) == 1 {
		m.Reason = data.Reason
	}
	return m
}
