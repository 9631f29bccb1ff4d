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

// NewDigest makes the content of one message from those of several, in their order.
func NewDigest(all []Content) Content {
	d := &Digest{Total: len(all)}
	worst := 0
	counts := map[string]int{}
	for i, c := range all {
		if severity(c.Data.status()) > severity(all[worst].Data.status()) {
			worst = i
		}
		what := c.Data.counted()
		if counts[what]++; counts[what] == 1 {
			d.Counts = append(d.Counts, Count{What: what})
		}
		if len(d.Items) < digestLines {
			m, _ := Message(c, "") // where the template fails, the default message tells
			d.Items = append(d.Items, DigestItem{Title: m.Title, URL: web(c.Data.ConsoleURL), At: c.Data.At})
		}
	}
	for i := range d.Counts {
		d.Counts[i].N = counts[d.Counts[i].What]
	}
	slices.SortStableFunc(d.Counts, func(a, b Count) int { return b.N - a.N })
	c := Content{Data: all[worst].Data, Digest: d}
	c.Data.ConsoleURL, c.Data.Inputs = "", nil
	return c
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
