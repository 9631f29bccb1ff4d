package render

import (
	"errors"
	"unicode/utf8"
)

const (
	// maxText is the limit of a template's text, of each string that a function makes and of the
	// output, in bytes.
	maxText = 64 << 10
	// maxRounds is how often the bodies of all `range`s may run in one execution.
	maxRounds = 10_000
	// maxSteps is how many nodes of a template the rounds may run: a long body counts for more.
	maxSteps = 200_000
	// maxWork is how many bytes the functions may read and make in one execution.
	maxWork = 16 << 20
	// maxNesting is how deep range, with and if may stand in each other.
	maxNesting = 2
)

var (
	errRounds = errors.New("ranges over more than 10,000 elements in all")
	errWork   = errors.New("does too much work for one message")
	errFull   = errors.New("output is full")
)

// budget bounds one execution. It is not safe for concurrent use.
type budget struct {
	rounds, steps, work int

	insert func(before, value string) string // nil: values are inserted as they are
	out    *output
}

// maxBefore is how much of the output so far insert is told, in bytes.
const maxBefore = 1 << 10

// show is a value as it goes into the output.
func (b *budget) show(v any) (string, error) {
	s, err := b.text(v)
	if err != nil || b.insert == nil {
		return s, err
	}
	written := b.out.b
	return b.made(b.insert(string(written[max(0, len(written)-maxBefore):]), s))
}

// round is called at the start of each round of a `range` whose body has so many nodes.
func (b *budget) round(nodes int) (string, error) {
	b.rounds++
	b.steps += nodes
	switch {
	case b.rounds > maxRounds:
		return "", errRounds
	case b.steps > maxSteps:
		return "", errWork
	}
	return "", nil
}

// spend counts so many bytes of work.
func (b *budget) spend(n int) error {
	if b.work += n; b.work > maxWork {
		return errWork
	}
	return nil
}

// made counts a string that a function made, and cuts it.
func (b *budget) made(s string) (string, error) {
	return cut(s, maxText), b.spend(len(s) + 16)
}

// cut shortens s to at most limit bytes, ending in an ellipsis where something is missing.
func cut(s string, limit int) string {
	const ellipsis = "…"
	if len(s) <= limit {
		return s
	}
	return cutBytes(s, limit-len(ellipsis)) + ellipsis
}

// cutBytes is the longest beginning of s that has at most limit bytes and ends with a whole rune.
func cutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// output takes what a template writes until it is full.
type output struct{ b []byte }

// Write fails once the output is full, which ends the template's execution.
func (o *output) Write(p []byte) (int, error) {
	o.b = append(o.b, p[:min(len(p), maxText+1-len(o.b))]...)
	if len(o.b) > maxText {
		return 0, errFull
	}
	return len(p), nil
}
