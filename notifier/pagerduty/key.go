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

// Words of keys that cannot be names of what they stand before: names of executions have no underscore, and projects and
// domains are not called so.
const (
	keyOfPlan = "launch_plan"
	keyOfNode = "node"
)

// dedupKey is what makes messages one incident. The messages of an execution share one, those of each of its nodes
// another, and those of a launch plan's failures and recoveries the launch plan's, so that `recovered`, which a later
// execution causes, resolves what `first_failure` opened. A message about none of them, a test say, or about several
// executions, is an incident of its own.
func (d *Destination) dedupKey(m notifier.Message) string {
	if own := notifier.OneLine(d.DedupKey); own != "" {
		return fit(own)
	}
	execution, plan := variable(m, "Name"), variable(m, "LaunchPlan")
	if len(m.Items) > 0 || execution == "" && plan == "" { // of several executions, which an earlier version put together; or of none
		return fit("flyte/" + cmp.Or(notifier.OneLine(m.Key), "message"))
	}
	kind, _, _ := strings.Cut(m.Reason, ":")
	parts := []string{"flyte", variable(m, "Org"), variable(m, "Project"), variable(m, "Domain")}
	if ofPlan := d.Dedup == dedupLaunchPlan || d.Dedup == "" && ofHistory(kind); execution == "" || ofPlan && plan != "" {
		parts = append(parts, keyOfPlan, plan)
		if d.Dedup != dedupLaunchPlan && endsApart(kind) {
			parts = append(parts, kind)
		}
	} else {
		parts = append(parts, execution)
	}
	if node := nodeOf(m); node != "" {
		parts = append(parts, keyOfNode, node)
	}
	return fit(path(parts...))
}

// ofHistory says whether a condition looks at the executions of a launch plan together.
func ofHistory(kind string) bool {
	return slices.Contains([]string{"first_failure", "recovered"}, kind) || endsApart(kind)
}

// endsApart says whether a condition on a launch plan's history may hold on when `recovered` tells of a success, so
// that this must not resolve it.
func endsApart(kind string) bool {
	return slices.Contains([]string{"failure_rate", "no_success_for"}, kind)
}

// nodeOf is the node whose state a message tells; empty where it is the execution's. A node that nears its timeout is
// the execution's trouble: it is over once that has ended, whichever node it was.
func nodeOf(m notifier.Message) string {
	kind, rest, _ := strings.Cut(notifier.OneLine(m.Reason), ":")
	if kind == "before_timeout" {
		return ""
	}
	if i := strings.LastIndexByte(rest, ':'); kind == "node" && i > 0 { // a reminder may lack the variable
		return rest[:i]
	}
	return variable(m, "Node")
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
