package spec_test

import (
	"path"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Texts of which editors shall say by the schema what the parser says.
var (
	dailies = values{
		"when: {deadline: {daily: '%s'}}",
		[]string{"06:00", "6:00", "23:59 Europe/Paris", "00:00 Etc/GMT+5", "12:00 America/Argentina/Buenos_Aires", "06:00 UTC"},
		[]string{"", "24:00", "6", "06:0", "06:60", "6 am", "006:00", "06:00 Local", "06:00 local", "06:00  UTC", "06:00 Europe/", "06:00 Europe Paris", "06:00Z", "06:00+01:00", "06:00 ../x"},
	}
	instants = values{
		"when: {deadline: {at: '%s'}}",
		[]string{"2026-12-01T08:00:00Z", "2026-12-01T08:00:00.25+05:30", "1970-01-01T00:00:00Z"},
		[]string{"", "tomorrow", "2026-12-01", "2026-12-01 08:00:00Z", "2026-12-01T08:00Z", "2026-12-01T08:00:00", "2026-13-01T08:00:00Z", "2026-12-32T08:00:00Z", "2026-12-01T24:00:00Z", "1969-12-31T00:00:00Z"},
	}
	spans = values{
		"quiet: {times: ['%s']}",
		[]string{"22:00-07:00", "7:00 - 9:30", "00:00-12:00", "20:00-24:00"},
		[]string{"", "22:00", "22-7", "24:00-07:00", "22:00-25:00", "22:00-07:60", "22:00-07:00-08:00", "22:00..07:00"},
	}
	days = values{
		"quiet: {days: ['%s']}",
		[]string{"mon", "Sun", "TUESDAY", "thursday", "wEd"},
		[]string{"", "mo", "someday", "1", "mon-fri", "weekdays", "mondays"},
	}
	zones = values{
		"quiet: {days: [mon], zone: '%s'}",
		[]string{"Europe/Paris", "UTC", "", "Etc/GMT-3", "EST5EDT"},
		[]string{"Local", "LOCAL", "Europe Paris", "/etc/localtime", "../UTC", "Europe/", "+01:00"},
	}
	groups = values{
		"group: {by: ['%s']}",
		[]string{"project", "error_code", "labels.team", "labels.a b"},
		[]string{"", "workfow", "labels", "labels.", "Project", "label.team"},
	}
	names = values{
		"name: \"%s\"",
		[]string{"a", "two words", "", "ä/b", strings.Repeat("x", 100)},
		[]string{"a|b", `a\nb`, `a\tb`, `\x7f`, `\x85`, strings.Repeat("x", 101)},
	}
	ids = values{
		"when: {node: {id: '%s', phase: [FAILED]}}",
		[]string{"n0", "n0-0-n1", "a.b_c"},
		[]string{"", "n 1", "n1;n2", "n1/n2", strings.Repeat("x", 256)},
	}
	executions = values{
		"watch: {execution: {project: p, domain: '%s', name: f1}}",
		[]string{"production", ""},
		[]string{"pro duction", "a/b", "a(b)"},
	}
	reminders = values{
		"repeat: {max: 1, every: %s}",
		[]string{"1h", "0.5s", "1h0m"},
		[]string{"0s", "0h0m0.0s", "-1h", "1 hour", "'1'"},
	}
	patterns = values{
		"match: {workflow: '%s'}",
		[]string{"", "*", "churn.*", "[a-z]?", `\[x`, "[^a]", `[\]]`},
		[]string{"[", "[]", "[a", "[a-", "[a-]", "[^]", `a\`, "[z-]"},
	}
	titles = values{
		"name: \"%s\"",
		[]string{"prod", "two words"},
		[]string{"", "a/b", "a|b", `a\nb`, strings.Repeat("x", 101)},
	}
)

// values are good and bad ones of a line.
type values struct {
	line      string
	good, bad []string
}

// agree asks the schema and the parser of a document with each value.
func (v values) agree(t *testing.T, schema *jsonschema.Schema, document func(line string) string, parse func(tree any) []notifier.Problem) {
	t.Helper()
	for _, value := range v.good {
		doc := tree(t, document(strings.ReplaceAll(v.line, "%s", value)))
		require.NoError(t, schema.Validate(doc), "%s: %q", v.line, value)
		require.Empty(t, parse(doc), "%s: %q", v.line, value)
	}
	for _, value := range v.bad {
		doc := tree(t, document(strings.ReplaceAll(v.line, "%s", value)))
		require.NotEmpty(t, parse(doc), "%s: %q", v.line, value)
		require.Error(t, schema.Validate(doc), "%s: %q", v.line, value)
	}
}

func TestSchemaRefusesTheValuesThatTheParserRefuses(t *testing.T) {
	t.Parallel()
	schema := validator(t, spec.TaskSchema(registry()))
	parse := func(tree any) []notifier.Problem {
		_, problems := spec.ParseTask(tree, alone())
		return problems
	}
	one := func(line string) string { return rule(line) }
	for _, v := range []values{dailies, instants, spans, days, zones, groups, names, ids, reminders} {
		v.agree(t, schema, one, parse)
	}
	executions.agree(t, schema, func(line string) string { return line + "\n" + rule() }, parse)
}

func TestSchemaRefusesTheSubscriptionsThatTheParserRefuses(t *testing.T) {
	t.Parallel()
	schema := validator(t, spec.SubscriptionsSchema(registry()))
	parse := func(tree any) []notifier.Problem {
		_, problems, broken := spec.ParseSubscriptions("subscriptions", tree, server())
		return append(problems, broken...)
	}
	one := "rules: [{name: r, when: {phase: [FAILED]}, send: [{stdout: }]}]"
	patterns.agree(t, schema, func(line string) string { return "[{name: s, " + line + ", " + one + "}]" }, parse)
	titles.agree(t, schema, func(line string) string { return "[{" + line + ", " + one + "}]" }, parse)
	values{
		"%s",
		[]string{one, one + ", match: {labels: {team: 'a*'}}", "rules: [{name: r, when: {no_success_for: 26h}, send: [{stdout: }]}]"},
		[]string{
			"rules: []", "match: {}", "honor_launch_plan_notifications: false", one + ", match: {labels: {team: '['}}",
			"rules: [{name: '', when: {phase: [FAILED]}, send: [{stdout: }]}]", "rules: [{name: r, when: {no_success_for: 0s}, send: [{stdout: }]}]",
		},
	}.agree(t, schema, func(line string) string { return "[{name: s, " + line + "}]" }, parse)
	require.NoError(t, schema.Validate(tree(t, "[{name: s, honor_launch_plan_notifications: true}]")))
}

func TestSchemaOfPatternsIsThatOfTheMatcher(t *testing.T) {
	t.Parallel()
	schema := validator(t, spec.SubscriptionsSchema(registry()))
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "z", "-", "[", "]", "^", `\`, "*", "?", "é", "\n", "/"}), 0, 12).Draw(t, "pattern"), "")
		_, malformed := path.Match(pattern, "")
		err := schema.Validate([]any{map[string]any{"name": "s", "honor_launch_plan_notifications": true, "match": map[string]any{"user": pattern}}})
		if (malformed == nil) != (err == nil) {
			t.Fatalf("%q: the matcher says %v, the schema %v", pattern, malformed, err)
		}
	})
}
