package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

const threeRules = `rules:
  - {name: first, when: {phase: [FAILED]}, send: [{stdout: }]}
  - {name: nightly, when: {deadline: {daily: 06:00 Europe/Paris}}, send: [{stdout: }]}
  - {name: calm, when: {phase: [FAILED]}, quiet: {days: [sun], zone: Asia/Tokyo}, send: [{stdout: }]}
`

// stored is a task as a store holds it.
func stored(t *testing.T, doc string) string {
	t.Helper()
	task, problems := spec.ParseTask(tree(t, doc), server())
	require.Empty(t, problems)
	raw, err := json.Marshal(task)
	require.NoError(t, err)
	return string(raw)
}

func TestAStoredRuleThatCannotBeReadStandsAlone(t *testing.T) {
	t.Parallel()
	whole := stored(t, threeRules)
	for name, test := range map[string]struct {
		stored string
		rules  []string
		lost   []string
	}{
		"all can be read": {whole, []string{"first", "nightly", "calm"}, nil},
		"a zone of a deadline is gone": {
			strings.ReplaceAll(whole, "Europe/Paris", "Europe/Lutetia"),
			[]string{"first", "calm"},
			[]string{`rule "nightly" cannot be read: unknown time zone "Europe/Lutetia", must be one such as Europe/Paris`},
		},
		"a zone of quiet hours is gone": {
			strings.ReplaceAll(whole, "Asia/Tokyo", "Asia/Edo"),
			[]string{"first", "nightly"},
			[]string{`rule "calm" cannot be read: unknown time zone "Asia/Edo", must be one such as Europe/Paris`},
		},
		"a rule of another shape": {
			`{"wait": true, "rules": [{"name": "a", "when": {"phases": ["FAILED"]}}, {"name": "b", "send": 3}, 7]}`,
			[]string{"a"},
			[]string{
				`rule "b" cannot be read: json: `,
				`rule "" cannot be read: json: `,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var task spec.Task
			require.NoError(t, json.Unmarshal([]byte(test.stored), &task))
			var rules, lost []string
			for _, r := range task.Rules {
				rules = append(rules, r.Name)
			}
			for _, u := range task.Unreadable {
				lost = append(lost, u.Error())
			}
			require.Equal(t, test.rules, rules)
			require.Len(t, lost, len(test.lost))
			for i, begins := range test.lost {
				require.True(t, strings.HasPrefix(lost[i], begins), lost[i])
			}
		})
	}
	var task spec.Task
	require.ErrorContains(t, json.Unmarshal([]byte(`{"rules": 3}`), &task), "read task: ")
}
