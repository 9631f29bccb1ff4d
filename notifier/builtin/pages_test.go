package builtin_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

var example = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Each service's page names every key, and its example is a valid config.
func TestPagesOfServicesAreRight(t *testing.T) {
	t.Parallel()
	r := builtin.Registry(nil)
	for _, kind := range []string{"slack", "slack_webhook", "pagerduty", "teams", "telegram", "webhook"} {
		raw, err := os.ReadFile(filepath.Join("../../docs/notifiers", kind+".md"))
		require.NoError(t, err)
		page := string(raw)
		m, ok := r.Find(kind)
		require.True(t, ok)
		for key := range strict.Describe(m.Config())["properties"].(map[string]any) {
			require.Contains(t, page, "| `"+kind+"."+key+"` |")
		}
		if keys, ok := strict.Describe(m.Destination())["properties"].(map[string]any); ok {
			for key := range keys {
				require.Contains(t, page, "| `"+key+"` |", kind)
			}
		}
		found := example.FindStringSubmatch(page)
		require.NotNil(t, found, kind)
		_, problems := config.Parse([]byte("admin: {endpoint: \"dns:///flyteadmin:81\"}\n"+found[1]), nil, r)
		require.Empty(t, problems, kind)
	}
}
