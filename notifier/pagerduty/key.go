package pagerduty

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// maxKey is the longest dedup_key that PagerDuty takes.
// https://developer.pagerduty.com/docs/send-alert-event
const maxKey = 255

// dedupKey is what makes messages one incident. The messages of an execution share one; those of a launch plan's
// history share the launch plan's, so that `recovered`, which a later execution causes, resolves what `first_failure`
// opened. Those of a node are apart from those of its execution. A message about neither, a test say, or about several
// executions, is an incident of its own.
func (d *Destination) dedupKey(m notifier.Message) string {
	if own := notifier.OneLine(d.DedupKey); own != "" {
		return fit(own)
	}
	if len(m.Items) > 0 { // of several executions
		return fit("flyte/" + notifier.OneLine(m.Key))
	}
	scope := "flyte/" + variable(m, "Project") + "/" + variable(m, "Domain") + "/"
	execution, plan := variable(m, "Name"), variable(m, "LaunchPlan")
	if d.Dedup == dedupLaunchPlan || d.Dedup == "" && ofHistory(m.Reason) {
		execution, plan = plan, execution
	}
	if name := cmp.Or(execution, plan); name != "" {
		if node := variable(m, "Node"); node != "" && strings.HasPrefix(m.Reason, "node:") {
			name += "/" + node
		}
		return fit(scope + name)
	}
	return fit("flyte/" + cmp.Or(notifier.OneLine(m.Key), "message"))
}

// ofHistory says whether a reason is of a condition that looks at the executions of a launch plan together.
func ofHistory(reason string) bool {
	kind, _, _ := strings.Cut(reason, ":")
	return slices.Contains([]string{"first_failure", "recovered", "failure_rate", "no_success_for"}, kind)
}

// variable is a template variable that is text; empty where it is absent.
func variable(m notifier.Message, name string) string {
	text, _ := m.Vars[name].(string)
	return notifier.OneLine(text)
}

// fit is the key itself or, where it is too long, its beginning and a hash of all of it: keys that differ at their
// ends only stay apart. The limit is taken as one of bytes, which no other count exceeds.
func fit(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	hash := "#" + hex.EncodeToString(sum[:16])
	end := maxKey - len(hash)
	for !utf8.RuneStart(key[end]) {
		end--
	}
	return key[:end] + hash
}
