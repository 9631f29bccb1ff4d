package explain

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/internal/preview"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	width  = 100 // columns
	margin = 11  // of the texts, behind the words at the left
)

// Print writes the findings for people to read.
func Print(w io.Writer, all []Finding, now time.Time) {
	for i, f := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		p := page{w, now}
		p.heading(f)
		p.row("verdict", f.verdict())
		p.row("when", f.When)
		for _, why := range f.Why {
			p.row("", why)
		}
		p.condition(f)
		p.told(f)
	}
}

// page prints one finding.
type page struct {
	w   io.Writer
	now time.Time
}

// row writes a word and a text beside it.
func (p page) row(word, text string) {
	text = strings.Join(strings.FieldsFunc(notifier.Printable(text), func(r rune) bool { return r == '\n' }), " ")
	wrapped := preview.Wrap(strings.Repeat(" ", margin)+text, width, 2)
	fmt.Fprintf(p.w, "  %-*s%s", margin-2, word, strings.TrimPrefix(wrapped, strings.Repeat(" ", margin)))
}

func (p page) heading(f Finding) {
	x := f.Facts.Execution
	fmt.Fprintf(p.w, "rule %s for %s\n", f.Rule.FullName(), x.ID)
	p.row("phase", strings.Join(filled(x.Phase, spaced("workflow", x.Workflow), times(x.StartedAt, x.EndedAt)), ", "))
	switch {
	case f.Watch.ID == "":
		p.row("watch", "none yet that subscriptions made")
	case f.Watch.State == store.Cancelled || f.Watch.State == store.Lost:
		p.row("watch", fmt.Sprintf("%s, %s (%s): its rules do not fire any more", f.Watch.ID, f.Watch.State, f.Watch.Reason))
	default:
		p.row("watch", strings.Join(filled(f.Watch.ID, string(f.Watch.State), spaced("node", f.Watch.Node)), ", "))
	}
}

func times(started, ended time.Time) string {
	switch {
	case started.IsZero():
		return "not started"
	case ended.IsZero():
		return "started " + timeText(started)
	}
	return "started " + timeText(started) + ", ended " + timeText(ended)
}

// verdict is what becomes of the rule, in words.
func (f Finding) verdict() string {
	if f.Unselected != "" {
		return "not selected: " + f.Unselected
	}
	switch f.Verdict {
	case executor.VerdictFires:
		return "fires: a server tells it when it looks"
	case executor.VerdictTells:
		for _, m := range f.Told {
			if next := earliest(m.Next, m.NextEscalation); !next.IsZero() {
				return "told: the next reminder or escalation is at " + timeText(next)
			}
		}
		return "told: nothing more is to be told now"
	case executor.VerdictWaits:
		if !f.At.IsZero() {
			return "waits: fires at " + timeText(f.At) + " if nothing changes before"
		}
		return "waits: it may fire when something changes"
	case executor.VerdictFiltered:
		return "does not fire: its condition holds, but its if is false"
	case executor.VerdictFails:
		return "does not fire: its condition holds, but its if cannot be evaluated"
	case executor.VerdictHistory:
		return "depends on the other executions of the launch plan"
	}
	return "does not fire any more: it did not hold, and the time for it is over"
}

func (p page) condition(f Finding) {
	c, later := f.If, ""
	if f.Verdict == executor.VerdictWaits {
		later = "; it counts when the condition holds"
	}
	if c == nil {
		return
	}
	p.row("if", c.Text)
	if c.Error != "" {
		p.row("", "cannot be evaluated now: "+c.Error+later)
	} else {
		p.row("", fmt.Sprintf("is %t now%s:", c.Holds, later))
	}
	names := 0
	for _, v := range c.Values {
		names = max(names, len(v.Name))
	}
	for _, v := range c.Values {
		p.row("", fmt.Sprintf("  %-*s = %s", names, v.Name, show(v)))
	}
}

// show is a value as a condition would have it.
func show(v spec.Value) string {
	const longest = 200
	text := ""
	switch value := v.Value.(type) {
	case nil:
		return "not there"
	case time.Duration:
		return value.Round(time.Millisecond).String()
	default:
		raw, err := json.Marshal(value)
		if text = string(raw); err != nil {
			text = fmt.Sprint(value)
		}
	}
	if r := []rune(text); len(r) > longest {
		return string(r[:longest-1]) + "…"
	}
	return text
}

func (p page) told(f Finding) {
	if len(f.Told) == 0 {
		p.row("told", "nothing yet")
	}
	word := "told"
	for _, m := range f.Told {
		at := "at " + timeText(m.At)
		if m.At.IsZero() {
			at = "was not told, and is not to be"
		}
		p.row(word, m.Reason+" "+at)
		word = ""
		for _, text := range p.further(f, m) {
			p.row("", "  "+text)
		}
		for _, d := range f.Deliveries {
			if d.Reason == m.Reason {
				p.row("", "  "+delivery(d))
			}
		}
	}
}

// further is what followed a message, and what is to come.
func (p page) further(f Finding, m executor.ToldMessage) (parts []string) {
	if f.Rule.Repeat != nil {
		parts = append(parts, p.reminders(f.Rule.Repeat, m))
	}
	if n := len(f.Rule.Escalate); n > 0 {
		text := fmt.Sprintf("%d of %d escalations", m.Escalations, n)
		if !m.NextEscalation.IsZero() {
			text += ", the next " + p.at(m.NextEscalation)
		}
		parts = append(parts, text)
	}
	switch {
	case !m.Acknowledged.IsZero() && m.By != "":
		parts = append(parts, "acknowledged at "+timeText(m.Acknowledged)+" by "+m.By)
	case !m.Acknowledged.IsZero():
		parts = append(parts, "acknowledged at "+timeText(m.Acknowledged))
	case f.Rule.Repeat != nil || f.Rule.Escalate != nil:
		parts = append(parts, "not acknowledged")
	}
	if !m.Holds {
		parts = append(parts, "it does not hold any more")
	}
	return parts
}

func (p page) reminders(r *spec.Repeat, m executor.ToldMessage) string {
	text := fmt.Sprintf("%d reminders", m.Reminders)
	if r.Max > 0 {
		text = fmt.Sprintf("%d of %d reminders", m.Reminders, r.Max)
	}
	if m.Next.IsZero() {
		return text + ", no more to come"
	}
	return text + ", the next " + p.at(m.Next)
}

// at is a time that is to come.
func (p page) at(t time.Time) string {
	if left := t.Sub(p.now).Round(time.Second); left > 0 {
		return "in " + left.String() + " at " + timeText(t)
	}
	return "now"
}

// delivery is one in a line.
func delivery(d store.Delivery) string {
	to := d.Kind
	if d.Address != d.Kind {
		to += " " + d.Address
	}
	if which := which(d); which != "" {
		to += ", " + which
	}
	text := fmt.Sprintf("%-10s %s %s  %s", state(d), timeText(d.CreatedAt), d.ID, to)
	if d.LastError != "" {
		text += ": " + d.LastError
	}
	return text
}

// which says which message of its occurrence it is, if not the first. The end of the key tells: count and step.
func which(d store.Delivery) string {
	parts := strings.Split(d.Key, "|")
	if len(parts) < 2 {
		return ""
	}
	count, step := parts[len(parts)-2], parts[len(parts)-1]
	switch {
	case d.Fallback():
		return "fallback"
	case strings.HasPrefix(step, "escalate"):
		return "escalation"
	case count != "0":
		return "reminder " + count
	}
	return ""
}

// state is a delivery's as its users know it.
func state(d store.Delivery) store.DeliveryState {
	if d.State == store.Held {
		return store.Pending
	}
	return cmp.Or(d.State, store.Pending)
}

// earliest of two times, of which a zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func filled(texts ...string) (all []string) {
	for _, t := range texts {
		if t != "" {
			all = append(all, t)
		}
	}
	return all
}

func spaced(word, text string) string {
	if text == "" {
		return ""
	}
	return word + " " + text
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }
