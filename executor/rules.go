package executor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// document is a watch's spec as it was read: the executions of a workflow all bring the same one.
type document struct {
	spec  spec.Task // not to be changed
	needs needs
	err   error
}

func readSpec(custom string) (d document) {
	if err := json.Unmarshal([]byte(custom), &d.spec); err != nil {
		d.err = fmt.Errorf("read spec: %w", err)
	}
	d.needs = needsOf(d.spec.Rules)
	return d
}

// ruleset are the rules of a task, or of a subscription.
type ruleset struct {
	name  string // of the subscription; empty for a task's
	key   string // what begins the keys of its deliveries
	rules []spec.Rule
	needs needs
	lost  []spec.Unreadable // that cannot be read any more

	// Of a subscription:
	born    time.Time
	came    time.Time // when it was born, or was taken out before it came back: not every server knew it from then on
	catchUp string    // what becomes of what happened long ago, one of spec's CatchUp constants
}

type rulesets []ruleset

// memory is what names the set in a watch's progress; a subscription that is born anew remembers nothing.
func (set ruleset) memory() string {
	if set.name == "" {
		return ""
	}
	return set.key
}

// rulesets are all rules that a watch has: those of its task, or of the subscriptions that its execution is of.
func (n *NotifierExecutor) rulesets(w store.Watch, x flyte.Execution) (rulesets, error) {
	if isSubscribed(w) {
		return n.selected(x), nil
	}
	doc := n.specs.Of(string(w.Custom))
	if doc.err != nil {
		return nil, doc.err
	}
	return rulesets{{key: w.ID, rules: doc.spec.Rules, needs: doc.needs, lost: doc.spec.Unreadable}}, nil
}

// needs are those of all together.
func (all rulesets) needs() (n needs) {
	for _, set := range all {
		n = n.and(set.needs)
	}
	return n
}

// happen says whether anything that these facts tell can make a rule fire now.
func (all rulesets) happen(f Facts, now time.Time) bool {
	return slices.ContainsFunc(all, func(set ruleset) bool { return set.happens(f, now) })
}

// happens says whether anything that these facts tell can make a rule fire now.
func (set ruleset) happens(f Facts, now time.Time) bool {
	return slices.ContainsFunc(set.rules, func(r spec.Rule) bool {
		return slices.ContainsFunc(chances(f, r, now), func(c chance) bool { return c.holds(now) && !c.old })
	})
}

// rule is the one that an occurrence is of.
func (set ruleset) rule(o Occurrence) spec.Rule {
	i := slices.IndexFunc(set.rules, func(r spec.Rule) bool { return r.Name == o.Rule })
	return set.rules[i]
}

// step is one destination of an occurrence.
type step struct {
	spec.Step
	key string // its place in the rule
}

// steps are the destinations of an occurrence.
func (set ruleset) steps(o Occurrence) []step {
	r := set.rule(o)
	send, place := r.Send, "send"
	if o.Escalation > len(r.Escalate) {
		return nil // it was edited away
	}
	if o.Escalation > 0 {
		send, place = r.Escalate[o.Escalation-1].Send, fmt.Sprintf("escalate[%d].send", o.Escalation-1)
	}
	return placed(send, place)
}

// fallback are the destinations that are told when all of an occurrence's own are dead: for a reminder and an escalation
// as well.
func (set ruleset) fallback(o Occurrence) []step {
	r := set.rule(o)
	if o.Escalation > 0 {
		return placed(r.Fallback, fmt.Sprintf("escalate[%d].fallback", o.Escalation-1))
	}
	return placed(r.Fallback, "fallback")
}

func placed(steps []spec.Step, place string) []step {
	all := make([]step, len(steps))
	for i, s := range steps {
		all[i] = step{Step: s, key: fmt.Sprintf("%s[%d]", place, i)}
	}
	return all
}

// ids are those of an occurrence's deliveries, its fallback's among them.
func (set ruleset) ids(w store.Watch, o Occurrence) []string {
	var all []string
	for _, s := range slices.Concat(set.steps(o), set.fallback(o)) {
		all = append(all, store.DeliveryID(set.keyOf(w, o, s)))
	}
	return all
}

// keyOf names an occurrence's step for ever: the same for every replay, in every process.
func (set ruleset) keyOf(w store.Watch, o Occurrence, s step) string {
	what := w.Execution.String()
	if w.Node != "" {
		what += "/" + w.Node
	}
	return strings.Join([]string{set.key, what, o.Rule, o.Reason, fmt.Sprint(o.Count), s.key}, "|")
}

// needs are what rules ask for beside the facts of an execution.
type needs struct {
	memory  bool          // of what was told, and of when to look again
	gates   bool          // that wait
	nodes   []string      // by id
	history bool          // of the launch plan, in a subscription
	above   bool          // the phase of what contains it
	running bool          // nodes, with their limits
	before  time.Duration // the longest before a limit at which a rule tells
}

// inside are those that a look sees to.
func (n needs) inside() needs {
	return needs{gates: n.gates, nodes: n.nodes, running: n.running, before: n.before}
}

// looks says whether flyteadmin must be asked while nothing changes: no list call tells of nodes.
func (n needs) looks() bool { return n.gates || n.running || len(n.nodes) > 0 }

// OfHistory says whether a rule of a subscription looks at the other executions of a launch plan: for its
// condition, or to end its reminders when one succeeds.
func OfHistory(r spec.Rule) bool {
	switch r.When.Is() {
	case spec.WhenFirstFailure, spec.WhenRecovered, spec.WhenNoSuccessFor, spec.WhenFailureRate:
		return true
	}
	return r.When.Lasting() && (r.Repeat != nil || r.Escalate != nil)
}

// of says whether a condition needs some of this to be judged.
func (n needs) of(w spec.When) bool {
	switch w.Is() {
	case spec.WhenGate:
		return n.gates
	case spec.WhenBeforeTimeout:
		return n.running
	case spec.WhenNode:
		return slices.Contains(n.nodes, w.NodeID)
	}
	return false
}

// calls is how many a look costs at least.
func (n needs) calls() int {
	calls := len(n.nodes)
	if n.gates {
		calls++
	}
	if n.running {
		calls++
	}
	return calls
}

func needsOf(rules []spec.Rule) (n needs) {
	for _, r := range rules {
		kind := r.When.Is()
		n.memory = n.memory || kind != spec.WhenPhase || r.Repeat != nil || r.Escalate != nil || r.For > 0 || r.Inhibit
		n.above = n.above || r.Inhibit
		n.history = n.history || OfHistory(r)
		n.gates = n.gates || kind == spec.WhenGate
		if kind == spec.WhenBeforeTimeout {
			n.running, n.before = true, max(n.before, r.When.For)
		}
		if kind == spec.WhenNode && !slices.Contains(n.nodes, r.When.NodeID) {
			n.nodes = append(n.nodes, r.When.NodeID)
		}
	}
	return n
}

func (n needs) and(m needs) needs {
	n.memory, n.gates, n.running = n.memory || m.memory, n.gates || m.gates, n.running || m.running
	n.before, n.history, n.above = max(n.before, m.before), n.history || m.history, n.above || m.above
	if len(n.nodes) == 0 {
		n.nodes = m.nodes
		return n
	}
	n.nodes = slices.Clone(n.nodes)
	for _, id := range m.nodes {
		if !slices.Contains(n.nodes, id) {
			n.nodes = append(n.nodes, id)
		}
	}
	return n
}
