package render

import (
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
			lines = append(lines, line{DigestItem{URL: web(c.Data.ConsoleURL), At: c.Data.At}, &all[i]})
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

// counted is what a message is counted as.
func (d Data) counted() string {
	if r := d.reason(); r.kind != "phase" && r.kind != "" {
		return r.kind
	}
	return d.Phase
}

func severity(s notifier.Status) int {
	return slices.Index([]notifier.Status{notifier.Success, notifier.Info, notifier.Warning, notifier.Failure}, s)
}

// message is the digest's own; what it stands for has none any more.
func (d *Digest) message(data Data, key string) notifier.Message {
	m := notifier.Message{
		Key: key, Status: data.status(), Reason: data.Reason, Time: data.At.UTC(), Vars: data.variables().byName(),
	}
	var counts, lines []string
	for _, c := range d.Counts {
		counts = append(counts, fmt.Sprintf("%d × %s", c.N, oneLine(c.What, factRunes)))
	}
	m.Title = oneLine(fmt.Sprintf("%d messages: %s", d.Total, strings.Join(counts, ", ")), titleRunes)
	for _, item := range d.Items {
		lines = append(lines, "• "+Time{item.At}.String()+"  "+item.Title+suffix("  ", item.URL))
	}
	if more := d.Total - len(d.Items); more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	m.Body = strings.Join(lines, "\n")
	return m
}

func suffix(separator, s string) string {
	if s == "" {
		return ""
	}
	return separator + s
}
