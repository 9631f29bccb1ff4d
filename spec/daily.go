package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// Clock is a time of day; 24:00 is the end of it.
type Clock struct{ Hour, Minute int }

// String is HH:MM.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c.Hour, c.Minute) }

// On returns when a day's clocks show this time in a zone. Where they never do, because they are put
// forward over it, it is the moment at which they are; where they do twice, it is the first time.
func (c Clock) On(year int, month time.Month, day int, zone *time.Location) time.Time {
	if c.Hour == 24 {
		return Clock{}.On(year, month, day+1, zone)
	}
	t := time.Date(year, month, day, c.Hour, c.Minute, 0, 0, zone)
	if t.Hour() == c.Hour && t.Minute() == c.Minute {
		if start, _ := t.ZoneBounds(); !start.IsZero() {
			_, now := t.Zone()
			_, before := start.Add(-time.Nanosecond).Zone()
			if earlier := t.Add(time.Duration(now-before) * time.Second); earlier.Before(start) {
				return earlier
			}
		}
		return t
	}
	// time.Date went one way or the other: the change is at the near end of either zone.
	start, end := t.ZoneBounds()
	shown := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	if shown.After(time.Date(year, month, day, c.Hour, c.Minute, 0, 0, time.UTC)) { // perhaps of the day before
		return start
	}
	return end
}

func parseClock(text string) (Clock, bool) {
	hour, minute, ok := strings.Cut(text, ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || err1 != nil || err2 != nil || h > 23 || m > 59 || len(minute) != 2 || len(hour) > 2 {
		return Clock{}, false
	}
	return Clock{Hour: int(h), Minute: int(m)}, true //nolint:gosec // checked
}

// Daily is a time of day in a time zone, written "18:00 Europe/Paris"; without a zone it is UTC.
type Daily struct {
	Clock Clock
	zone  *time.Location
}

// After returns the first such time behind t.
func (d *Daily) After(t time.Time) time.Time {
	year, month, day := t.In(d.zone).Date()
	at := d.Clock.On(year, month, day, d.zone)
	if !at.After(t) {
		at = d.Clock.On(year, month, day+1, d.zone)
	}
	return at
}

// String is the daily time as it is written.
func (d *Daily) String() string {
	if d.zone == time.UTC {
		return d.Clock.String()
	}
	return d.Clock.String() + " " + d.zone.String()
}

// MarshalText writes what UnmarshalText reads.
func (d *Daily) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads HH:MM and perhaps a zone of the IANA time zone database.
func (d *Daily) UnmarshalText(text []byte) error {
	clock, name, _ := strings.Cut(string(text), " ")
	c, ok := parseClock(clock)
	if !ok {
		return fmt.Errorf("must be a time of day and perhaps a time zone, such as 18:00 Europe/Paris, not %s", strict.Quote(string(text)))
	}
	zone, err := parseZone(name)
	if err != nil {
		return err
	}
	d.Clock, d.zone = c, zone
	return nil
}

// parseZone finds a time zone by its name in the IANA database; no name is UTC. The server's own zone,
// which "Local" would be, is nobody's business.
func parseZone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if strings.EqualFold(name, "local") {
		return nil, errors.New(`must name a time zone, such as Europe/Paris, not "Local"`)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %s, must be one such as Europe/Paris", strict.Quote(name))
	}
	return zone, nil
}
