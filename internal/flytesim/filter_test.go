package flytesim

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestFiltersAreTakenApartAsFlyteadminDoes compares with flyteadmin's own expression.
func TestFiltersAreTakenApartAsFlyteadminDoes(t *testing.T) {
	t.Parallel()
	whole := regexp.MustCompile(`(.+)\((.+),\s?(.+)\)`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a(]{0,3}\(?[a(,]{0,2},? ?[a, ]{0,3}\)?[a)]?`).Draw(t, "filter")
		function, field, values, ok := split(text)
		want := whole.FindStringSubmatch(text)
		require.Equal(t, want != nil, ok)
		if ok {
			require.Equal(t, want[1:], []string{function, field, values})
		}
	})
}
