package spec_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

func TestRulesThatCanNeverFireAreWarnedOf(t *testing.T) {
	t.Parallel()
	other := "watch: {execution: {name: other}}\n"
	for doc, want := range map[string]string{
		rule(`if: 'phase == "FAILD"'`):                                                      `rules[0].if: never holds: no phase is called "FAILD", did you mean "FAILED"?`,
		rule(`if: '"SUCCEEDED" == phase && elapsed > duration("1h")'`):                      `rules[0].if: never holds: phase is FAILED then`,
		rule("when: {phase: [FAILED, ABORTED]}", `if: 'phase in ["SUCCEEDED", "RUNNING"]'`): `rules[0].if: never holds: phase is FAILED or ABORTED then`,
		rule(`if: 'phase in []'`):                                                           `rules[0].if: never holds: the list is empty`,
		rule("when: {running_for: 1h}", `if: 'phase == "FAILED"'`):                          `rules[0].if: never holds: phase is UNDEFINED or QUEUED or RUNNING or SUCCEEDING or FAILING or ABORTING then`,
		rule("when: {running_for: 1h}", `if: 'elapsed < duration("30m")'`):                  `rules[0].if: never holds: elapsed is at least 1h0m0s then`,
		rule("when: {queued_for: 10m}"):                                                     `rules[0].when: never happens: the execution that runs the task has started already; a subscription of the server's config can tell of this`,
		rule("when: {phase: [QUEUED]}"):                                                     `rules[0].when: never happens: the execution that runs the task has started already; a subscription of the server's config can tell of this`,
		rule(`if: 'phase == "FAILED"'`):                                                     "",
		rule(`if: 'phase == "SUCCEEDED" || user == "ada"'`):                                 "",
		rule("when: {phase: [FAILED, ABORTED]}", `if: 'phase in ["SUCCEEDED", "ABORTED"]'`): "",
		rule("when: {running_for: 1h}", `if: 'elapsed < duration("2h")'`):                   "",
		rule("when: {phase: [QUEUED, RUNNING]}"):                                            "",
		other + rule("when: {queued_for: 10m}"):                                             "",
		other + rule(`if: 'labels["x"] == "FAILD"'`):                                        "",
	} {
		task, problems := spec.ParseTask(tree(t, doc), server())
		require.Empty(t, problems, doc)
		var found []string
		if want != "" {
			found = []string{want}
		}
		require.Equal(t, found, texts(task.Warnings()), doc)
	}
}
