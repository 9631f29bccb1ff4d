package strict

import (
	"errors"
	"fmt"
	"time"
)

// Duration is a time.Duration, not negative, that is written as Go writes it: "1h30m".
type Duration time.Duration

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	switch {
	case err != nil:
		return fmt.Errorf("must be a duration such as 10m, not %s", Quote(string(text)))
	case v < 0:
		return errors.New("must not be negative")
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes a duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the duration as Go writes it.
func (d Duration) String() string { return time.Duration(d).String() }

// JSONSchema describes the text form.
func (Duration) JSONSchema() map[string]any {
	return map[string]any{
		"type":    "string",
		"pattern": `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`,
	}
}
