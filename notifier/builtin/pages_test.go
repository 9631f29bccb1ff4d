package builtin_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

var (
	example = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	keyed   = regexp.MustCompile("(?m)^\\| (`.*?) \\|") // the first cell of a row, of one key or of several
)

// Each service's page names every key, and none that is not there, says what the manifest guarantees, and its example is a valid
// config.
func TestPagesOfServicesAreRight(t *testing.T) {
	t.Parallel()
	r := builtin.Registry(nil)
	for _, m := range r.All() {
		if m.Kind == "stdout" { // which is no service
			continue
		}
		raw, err := os.ReadFile(filepath.Join("../../docs/notifiers", m.Kind+".md"))
		require.NoError(t, err)
		page := string(raw)
		require.ElementsMatch(t, keysOf(m.Config(), m.Kind+"."), documentedKeys(page, "| key of the connection |"), m.Kind)
		require.ElementsMatch(t, keysOf(m.Destination(), ""), documentedKeys(page, "| key of a destination |"), m.Kind)
		require.Contains(t, page, "## Guarantee\n\n"+m.Guarantee+"\n", m.Kind)
		found := example.FindStringSubmatch(page)
		require.NotNil(t, found, m.Kind)
		_, problems := config.Parse([]byte("admin: {endpoint: \"dns:///flyteadmin:81\"}\n"+found[1]), nil, r)
		require.Empty(t, problems, m.Kind)
	}
}

// keysOf are the keys that a config or a destination is decoded from.
func keysOf(decoded any, prefix string) (keys []string) {
	properties, _ := strict.Describe(decoded)["properties"].(map[string]any) // without any, there are none
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		keys = append(keys, prefix+key)
	}
	return keys
}

// documentedKeys are those of a page's table that begins so.
func documentedKeys(page, head string) (keys []string) {
	_, table, _ := strings.Cut(page, head)
	table, _, _ = strings.Cut(table, "\n\n")
	for _, cell := range keyed.FindAllStringSubmatch(table, -1) {
		for _, key := range quoted.FindAllStringSubmatch(cell[1], -1) {
			keys = append(keys, key[1])
		}
	}
	return keys
}
