package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

var update = flag.Bool("update", false, "rewrite docs/schema")

// TestSchemaIsCurrent fails when docs/schema is not what the code says: `go test ./spec ./config
// -run TestSchemaIsCurrent -update` rewrites it.
func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(config.Schema(builtin.Registry(io.Discard))))
	const path = "../docs/schema/config.schema.json"
	if *update {
		require.NoError(t, os.WriteFile(path, want.Bytes(), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want.String(), string(got), "%s is not current", path)
}

func TestSchemaAgreesWithTheParser(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(config.Schema(registry()))
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", doc))
	schema, err := c.Compile("schema.json")
	require.NoError(t, err)

	valid := func(doc string) error {
		tree, err := strict.YAML([]byte(doc))
		require.NoError(t, err)
		return schema.Validate(tree)
	}
	for _, doc := range []string{
		full, minimal, minimal + "store: {url: {env: X}}", minimal + "watch: {interval: 1h30m, sweep: 2.5h}",
		minimal + "store: {url: 'postgres://u:p@a,b:1/x?sslmode=verify-full', lock_url: {file: X}}\nserver: {river_ui: {user: ada, password: {env: X}}}",
		minimal + "subscriptions: []", minimal + "subscriptions: [{name: x, rules: [{name: y, when: {no_success_for: 26h}, send: [{stdout: {}}]}]}]",
		minimal + "store: {url: 'postgresql://db/x', lock_url: 'postgres://db/x'}",
	} {
		require.NoError(t, valid(doc), doc)
		parse(t, doc)
	}
	for _, doc := range []string{
		"server: {listn: x}", "admin: {insecure: true}", "subscriptions: [{rules: []}]", "subscriptions: {}", "watch: {interval: fast}", "watch: {node_calls: 0}",
		"store: {url: 'mysql://x'}", "store: {lock_url: 'sqlite://x.db'}", "server: {river_ui: {user: ada}}", "server: {river_ui: true}", "connections: {A B: {slack: {token: {env: A}}}}", "connections: {a: {slack: {}}}",
		"connections: {a: {slack: {token: {env: A}}, sendgrid: {api_key: {env: A}, from: b}}}", "connections: {a: {allow: {}}}",
		minimal + "subscriptions: [{name: x, rules: [{when: {phase: [FAILED]}, send: [{stdout: {}}]}]}]",
		"connections: {a: {slack: {token: {env: A}}, allow: {scopes: []}}}", "connections: {a: {webhook: {}}}", "defaults: {stdout: x}",
	} {
		require.Error(t, valid(doc), doc)
		require.NotEmpty(t, problems(t, doc), doc)
	}
}
