package exchange_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	s := exchange.Service{Secrets: []string{"abc", "", "abcdef", "two  words", "\n"}}
	for text, want := range map[string]string{
		"bad token abc\x00def":        "bad token <secret>", // as it is shown, not as it came
		"abc\x1b[0mdef and \u202eabc": "<secret> and <secret>",
		"abcdef abc":                  "<secret> <secret>",
		"two words\ntwo  words":       "<secret> <secret>",
		"nothing\nof it":              "nothing of it",
	} {
		require.Equal(t, want, s.Quote(text, 100), "%q", text)
	}
	require.Equal(t, "nothi…", s.Quote("nothing", 6))
}

// What an error comes to must not depend on whether its text may be shown.
func TestScrubKeepsTheCause(t *testing.T) {
	t.Parallel()
	s := exchange.Service{Name: "test", Secrets: []string{"a"}}
	err := s.Scrub(&url.Error{Op: "Post", URL: "https://example.org/a", Err: fmt.Errorf("dial: %w", notifier.ErrForbiddenAddress)})
	require.ErrorIs(t, err, notifier.ErrForbiddenAddress)
	require.NotContains(t, err.Error(), "a")
	require.NotContains(t, fmt.Sprintf("%v %s %+v", err, err, fmt.Errorf("test: %w", err)), "example.org")
	plain := errors.New("x")
	require.Equal(t, plain, s.Scrub(plain))
}
