package spec_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

var update = flag.Bool("update", false, "rewrite docs/schema")

// TestSchemaIsCurrent fails when docs/schema is not what the code says: `go test ./spec ./config
// -run TestSchemaIsCurrent -update` rewrites it.
func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	r := builtin.Registry(io.Discard)
	for name, schema := range map[string]map[string]any{"task": spec.TaskSchema(r), "send": spec.SendSchema(r)} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		require.NoError(t, enc.Encode(schema))
		path := "../docs/schema/" + name + ".schema.json"
		if *update {
			require.NoError(t, os.WriteFile(path, want.Bytes(), 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want.String(), string(got), "%s is not current", path)
	}
}

// validator compiles a schema, as an editor would.
func validator(t *testing.T, schema map[string]any) *jsonschema.Schema {
	t.Helper()
	raw, err := json.Marshal(schema)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", doc))
	compiled, err := c.Compile("schema.json")
	require.NoError(t, err)
	return compiled
}

func TestSchemaAgreesWithTheParser(t *testing.T) {
	t.Parallel()
	task, send := validator(t, spec.TaskSchema(registry())), validator(t, spec.SendSchema(registry()))
	for _, doc := range []string{
		full, rule(), "watch: {execution: self}\n" + rule(), "watch: {execution: {input: target}}\n" + rule(),
		"watch: {node: n0}\n" + rule("when: {phase: [SKIPPED]}"), rule("send: [{sendgrid: {to: [a], data: {x: [1]}}}]"),
		rule("when: {running_for: 2h}"), rule("when: {deadline: {in: 6h}}"), rule("when: {gate: waiting}"), rule("repeat: {every: 1h, max: 2}"),
		rule("when: {node: {id: n0, phase: [SKIPPED]}}"), rule("escalate: [{after: 30m, send: [{stdout: {}}]}]"),
	} {
		parsed := tree(t, doc)
		require.NoError(t, task.Validate(parsed), doc)
		_, problems := spec.ParseTask(parsed, alone())
		require.Empty(t, problems, doc)
	}
	for _, doc := range []string{
		"{}", "rules: []", "watches: {}\n" + rule(), rule("when: {phase: FAILED}"), rule("when: {phase: [failed]}"), rule("when: {}"),
		rule("when: {recovered: true}"), rule("repeat: {max: 1}"), rule("escalate: [{after: 1h}]"), rule("send: []"), rule("send: [{webhook: {}}]"), rule("send: [{}]"),
		rule("send: [{slack: {channel: x, thread: execution}}]"), rule("send: [{slack: {channel: x}, stdout: {}}]"), rule("if: 3"),
		"watch: {execution: me}\n" + rule(), "watch: {execution: {}}\n" + rule(), "watch: {execution: {name: x, input: y}}\n" + rule(),
		"wait: 1\n" + rule(), rule("message: {titel: x}"),
	} {
		parsed := tree(t, doc)
		require.Error(t, task.Validate(parsed), doc)
		_, problems := spec.ParseTask(parsed, alone())
		require.NotEmpty(t, problems, doc)
	}
	require.NoError(t, send.Validate(tree(t, "{send: [{slack: {connection: x, channel: y}}], require: delivered, message: {title: x}}")))
	for _, doc := range []string{"{}", "{send: [{stdout: {}}], require: maybe}", "{send: [{stdout: {connection: x}}]}"} {
		require.Error(t, send.Validate(tree(t, doc)), doc)
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	for _, s := range []map[string]any{spec.TaskSchema(builtin.Registry(io.Discard)), spec.SendSchema(builtin.Registry(io.Discard))} {
		require.Equal(t, "https://json-schema.org/draft/2020-12/schema", s["$schema"])
		for key, sub := range s["properties"].(map[string]any) {
			require.NotEmpty(t, sub.(map[string]any)["description"], key)
		}
	}
	require.NotEqual(t, spec.TaskSchemaID, spec.SendSchemaID)
}
