package render

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

func durationOf(v any) (string, error) {
	switch v := v.(type) {
	case time.Duration:
		return humanize(v), nil
	case string:
		d, err := time.ParseDuration(v)
		return humanize(d), err
	}
	seconds, ok := number(v)
	if !ok {
		return "", fmt.Errorf("%T is neither a duration nor a number of seconds", v)
	}
	f, _ := seconds.Float64()
	return humanize(time.Duration(min(max(f*float64(time.Second), -1<<62), 1<<62))), nil
}

// humanize shows a duration to the second, or to the millisecond below one: "2h3m4s", "2h", "340ms".
func humanize(d time.Duration) string {
	if d.Abs() < time.Second {
		return d.Round(time.Millisecond).String()
	}
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (b *budget) date(layout, zone string, v any) (string, error) {
	const work = 16 << 10 // a zone's file is read
	if err := b.spend(work); err != nil {
		return "", err
	}
	if zone == "Local" {
		return "", errors.New(`zone "Local" depends on the server: name one, such as Europe/Paris`)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return "", err
	}
	t, err := moment(v)
	if err != nil || t.IsZero() {
		return "", err
	}
	return b.made(t.In(location).Format(cutBytes(layout, 200)))
}

func moment(v any) (time.Time, error) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, nil
	case Time:
		return v.t, nil
	case time.Time:
		return v, nil
	case string:
		return time.Parse(time.RFC3339, v)
	}
	return time.Time{}, fmt.Errorf("%T is not a time", v)
}
