package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Quiet are hours in which nothing is sent: what happens then is told when they are over.
type Quiet struct {
	Times []Span    `json:"times"`
	Zone  *Zone     `json:"zone,omitempty"` // nil: UTC
	Days  []Weekday `json:"days,omitempty"` // on which the times begin; empty: on all
}

// longestQuiet is how long quiet hours can last.
const longestQuiet = 8 * 24 * time.Hour

// Until returns when the quiet hours are over that now is in; zero when it is in none.
func (q *Quiet) Until(now time.Time) (end time.Time) {
	if q == nil {
		return time.Time{}
	}
	for at := now; at.Sub(now) <= longestQuiet; at = end { // spans may touch
		next := q.over(at)
		if next.IsZero() {
			break
		}
		end = next
	}
	return end
}

// over is the latest end of the spans that a moment is in.
func (q *Quiet) over(at time.Time) (end time.Time) {
	zone := time.UTC
	if q.Zone != nil && q.Zone.location != nil {
		zone = q.Zone.location
	}
	year, month, day := at.In(zone).Date()
	for _, begins := range []int{day - 1, day} {
		weekday := time.Date(year, month, begins, 12, 0, 0, 0, zone).Weekday()
		if len(q.Days) > 0 && !slices.Contains(q.Days, Weekday(weekday)) {
			continue
		}
		for _, s := range q.Times {
			from, to := s.From.On(year, month, begins, zone), s.To.On(year, month, begins, zone)
			if s.overnight() {
				to = s.To.On(year, month, begins+1, zone)
			}
			if !at.Before(from) && at.Before(to) && to.After(end) {
				end = to
			}
		}
	}
	return end
}

// Span is a part of a day, written 22:00-07:00; one whose end is not after its start goes on to the next day.
type Span struct{ From, To Clock }

func (s Span) overnight() bool {
	return s.To.Hour < s.From.Hour || s.To.Hour == s.From.Hour && s.To.Minute <= s.From.Minute
}

// String is the span as it is written.
func (s Span) String() string { return s.From.String() + "-" + s.To.String() }

// MarshalText writes what UnmarshalText reads.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads HH:MM-HH:MM; the end may be 24:00.
func (s *Span) UnmarshalText(text []byte) error {
	from, to, _ := strings.Cut(string(text), "-")
	var begins, ends bool
	s.From, begins = parseClock(strings.TrimSpace(from))
	if to = strings.TrimSpace(to); to == "24:00" {
		s.To, ends = Clock{Hour: 24}, true
	} else {
		s.To, ends = parseClock(to)
	}
	if !begins || !ends {
		return fmt.Errorf("must be a time span such as 22:00-07:00, not %s", strict.Quote(string(text)))
	}
	return nil
}

// Zone is a time zone, written as the IANA database names it.
type Zone struct{ location *time.Location }

// String is the zone's name.
func (z *Zone) String() string { return z.location.String() }

// MarshalText writes what UnmarshalText reads.
func (z *Zone) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// UnmarshalText reads a name such as Europe/Paris.
func (z *Zone) UnmarshalText(text []byte) (err error) {
	z.location, err = parseZone(string(text))
	return err
}

// Weekday is a day of the week, written mon to sun.
type Weekday time.Weekday

func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// MarshalText writes what UnmarshalText reads.
func (w Weekday) MarshalText() ([]byte, error) { return []byte(weekdays()[w]), nil }

// UnmarshalText reads a day: mon, Mon or Monday.
func (w *Weekday) UnmarshalText(text []byte) error {
	given := strings.ToLower(string(text))
	for i, day := range weekdays() {
		if given == day || given == strings.ToLower(time.Weekday(i).String()) {
			*w = Weekday(i)
			return nil
		}
	}
	return errors.New("must be a day of the week, mon to sun, not " + strict.Quote(string(text)))
}

// quietDocument is Quiet as it is written.
type quietDocument struct {
	Times []Span    `json:"times" min:"1" max:"20" doc:"spans of a day, such as 22:00-07:00; default: the whole day"`
	Zone  *Zone     `json:"zone" doc:"time zone, such as Europe/Paris; default: UTC"`
	Days  []Weekday `json:"days" min:"1" doc:"days on which the times begin, mon to sun; default: every day"`
}

// Validate tells of hours that never end, or never are.
func (d *quietDocument) Validate() []notifier.Problem {
	if d.Times == nil && d.Days == nil {
		return []notifier.Problem{{Text: "must have times or days"}}
	}
	if Endless(d.quiet()) {
		return []notifier.Problem{{Text: "never ends"}}
	}
	return nil
}

// ParseQuiet reads the quiet hours of a connection. Either they or the problems are nil.
func ParseQuiet(tree any) (*Quiet, []notifier.Problem) {
	var doc quietDocument
	if problems := strict.Decode(tree, &doc); len(problems) > 0 {
		return nil, problems
	}
	return doc.quiet(), nil
}

// QuietSchema is the JSON Schema of quiet hours.
func QuietSchema() map[string]any { return quietDocument{}.JSONSchema() }

// JSONSchema describes the keys, of which one is needed.
func (quietDocument) JSONSchema() map[string]any {
	type keys quietDocument // without this method
	s := strict.Describe(keys{})
	s["anyOf"] = []any{map[string]any{"required": []any{"times"}}, map[string]any{"required": []any{"days"}}}
	return s
}

// UntilAll returns when the quiet hours of all are over that now is in; zero when it is in none. Of hours that never end
// together it is an end of some, so that nothing is held for more than 8 days.
func UntilAll(now time.Time, all ...*Quiet) time.Time {
	end, _ := lasting(now, all)
	return end
}

// Endless says whether quiet hours leave no time between them, in summer or in winter.
func Endless(all ...*Quiet) bool {
	return slices.ContainsFunc([]time.Month{time.January, time.July}, func(month time.Month) bool {
		_, endless := lasting(time.Date(2026, month, 5, 0, 0, 0, 0, time.UTC), all)
		return endless
	})
}

// lasting follows quiet hours from one end to the next, since those of one may begin within those of another.
func lasting(now time.Time, all []*Quiet) (end time.Time, endless bool) {
	for at := now; ; at = end {
		next := time.Time{}
		for _, q := range all {
			if until := q.Until(at); until.After(next) {
				next = until
			}
		}
		switch {
		case next.IsZero():
			return end, false
		case next.Sub(now) > longestQuiet && !end.IsZero():
			return end, true
		case next.Sub(now) > longestQuiet:
			return next, true
		}
		end = next
	}
}

func (d *quietDocument) quiet() *Quiet {
	if d == nil {
		return nil
	}
	q := &Quiet{Times: d.Times, Zone: d.Zone, Days: d.Days}
	if q.Times == nil {
		q.Times = []Span{{To: Clock{Hour: 24}}}
	}
	return q
}
