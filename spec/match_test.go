package spec_test

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

func TestAPatternIsPathMatchs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab/*?\[\]\\\\-]{1,6}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab/-]{0,6}`).Draw(t, "text")
		slash := strings.NewReplacer("/", "\x00") // a pattern's "*" stands for any text
		want, err := path.Match(slash.Replace(pattern), slash.Replace(text))
		m := spec.Match{LaunchPlan: pattern}
		require.Equal(t, err == nil && want || pattern == text, m.Matches(&spec.Subject{LaunchPlan: text}), "%q of %q", pattern, text)
	})
}
