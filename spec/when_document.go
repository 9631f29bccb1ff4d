package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// whenDocument is exactly one of the keys of whenKeys.
type whenDocument struct {
	keys whenKeys
	key  WhenKind // the one that is there; empty when something is wrong
	text string   // its value in short, for the default name
}

type whenKeys struct {
	Phase         []string          `json:"phase" min:"1" doc:"phases, upper case: of the execution, or of the node if one is watched"`
	RunningFor    *time.Duration    `json:"running_for" doc:"it has been running for so long"`
	QueuedFor     *time.Duration    `json:"queued_for" doc:"it was created so long ago and has not started"`
	Deadline      *deadlineDocument `json:"deadline" doc:"it has not ended by then: exactly one key"`
	Gate          string            `json:"gate" enum:"waiting" doc:"waiting: an approval or a signal is awaited"`
	Node          *nodeDocument     `json:"node" doc:"a node of the execution enters a phase"`
	BeforeTimeout *time.Duration    `json:"before_timeout" doc:"so long before a running node, or the one that is watched, reaches its own timeout"`

	FirstFailure *bool          `json:"first_failure" doc:"true: it failed, and the one before of the same launch plan did not"`
	Recovered    *bool          `json:"recovered" doc:"true: it succeeded, and the one before of the same launch plan failed"`
	NoSuccessFor *time.Duration `json:"no_success_for" doc:"no execution of the launch plan has succeeded for so long"`
	FailureRate  *rateDocument  `json:"failure_rate" doc:"of the last executions of the launch plan so many failed"`

	NoHeartbeatFor any `json:"no_heartbeat_for" unsupported:"true"`
}

// ofHistory are the keys that look at the executions of a launch plan together. Only subscriptions have them.
func ofHistory() []WhenKind {
	return []WhenKind{WhenFirstFailure, WhenRecovered, WhenNoSuccessFor, WhenFailureRate}
}

type rateDocument struct {
	Of      int `json:"of" required:"true" min:"1" max:"1000" doc:"how many executions"`
	AtLeast int `json:"at_least" required:"true" min:"1" max:"1000" doc:"how many of them failed"`
}

// Validate tells of a rate that cannot be.
func (r *rateDocument) Validate() []notifier.Problem {
	if r.AtLeast <= r.Of {
		return nil
	}
	return []notifier.Problem{{Path: "at_least", Text: fmt.Sprintf("must be at most %d, which is of, not %d", r.Of, r.AtLeast)}}
}

type nodeDocument struct {
	ID    string   `json:"id" required:"true" doc:"flyteadmin's node_id: n2, nested n0-0-n1"`
	Phase []string `json:"phase" required:"true" min:"1" doc:"phases of a node, upper case"`
}

// deadlineDocument is exactly one of its keys.
type deadlineDocument struct {
	At    *instant       `json:"at" doc:"a time, RFC 3339"`
	In    *time.Duration `json:"in" doc:"so long after the start"`
	Daily *Daily         `json:"daily" doc:"the first such time after the creation: 18:00 Europe/Paris; without a time zone it is UTC"`
}

// Validate tells of no key or several.
func (d *deadlineDocument) Validate() []notifier.Problem {
	given := 0
	for _, is := range []bool{d.At != nil, d.In != nil, d.Daily != nil} {
		if is {
			given++
		}
	}
	if given == 1 {
		return nil
	}
	return []notifier.Problem{{Text: "must have exactly one key of at, in and daily"}}
}

// instant is a time in RFC 3339.
type instant struct{ time.Time }

// UnmarshalText reads a time with its zone.
func (i *instant) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errors.New("must be a time such as 2026-03-01T18:00:00Z (RFC 3339), not " + strict.Quote(string(text)))
	}
	if i.Time = t.UTC(); i.Year() < 1970 || i.Year() > 9999 {
		return errors.New("must be a time between 1970 and 9999, not " + strict.Quote(string(text)))
	}
	return nil
}

// JSONSchema describes the text form.
func (instant) JSONSchema() map[string]any {
	s := text(instantPattern)
	s["format"] = "date-time"
	return s
}

// DecodeStrict reads the one key.
func (w *whenDocument) DecodeStrict(tree any) []notifier.Problem {
	problems := strict.Decode(tree, &w.keys)
	m, ok := tree.(map[string]any)
	if !ok {
		return problems
	}
	var given []string
	for key, value := range m {
		if value != nil && !slices.ContainsFunc(problems, func(p notifier.Problem) bool {
			return p.Path == strict.Key("", key) && strings.HasPrefix(p.Text, "unknown key")
		}) {
			given = append(given, key)
		}
	}
	slices.Sort(given)
	switch {
	case len(given) == 0 && len(problems) == 0:
		problems = append(problems, notifier.Problem{Text: "must have exactly one key, such as {phase: [FAILED]}"})
	case len(given) > 1:
		text := fmt.Sprintf("must have exactly one key, not %d: %s", len(given), strings.Join(given, ", "))
		problems = append(problems, notifier.Problem{Text: text})
	}
	if len(problems) == 0 {
		w.key, w.text = WhenKind(given[0]), inShort(m[given[0]])
	}
	return problems
}

// inShort is a value as a default name has it.
func inShort(value any) string {
	switch v := value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = inShort(v[i])
		}
		return strings.Join(parts, "-")
	case map[string]any:
		if id, ok := v["id"]; ok { // a node's
			return inShort(id) + "-" + inShort(v["phase"])
		}
		for key, only := range v { // a deadline's
			return key + "-" + inShort(only)
		}
	}
	return strings.ReplaceAll(strings.ToLower(fmt.Sprint(value)), " ", "-")
}

// JSONSchema describes the keys that work.
func (whenDocument) JSONSchema() map[string]any {
	keys := strict.Describe(whenKeys{})
	keys["minProperties"], keys["maxProperties"] = 1.0, 1.0
	all := keys["properties"].(map[string]any)
	all["phase"].(map[string]any)["items"] = phaseSchema(append(workflowPhases(), nodePhases()...))
	node := property(keys, "node")
	property(node, "phase")["items"] = phaseSchema(nodePhases())
	identifierSchema(node, "id")
	restrict(node, "id", map[string]any{"minLength": 1.0})
	positive(keys, string(WhenNoSuccessFor))
	for _, only := range []WhenKind{WhenFirstFailure, WhenRecovered} {
		all[string(only)].(map[string]any)["const"] = true
	}
	deadline := all["deadline"].(map[string]any)
	deadline["minProperties"], deadline["maxProperties"] = 1.0, 1.0
	return keys
}

func phaseSchema(phases []string) map[string]any {
	var names []any
	for _, name := range phases {
		if !slices.Contains(names, any(name)) {
			names = append(names, name)
		}
	}
	return map[string]any{"type": "string", "enum": names}
}

// when checks what the document alone cannot: it depends on what is watched. It returns the default name of
// a rule with this condition.
func (p *parser) when(path string, doc whenDocument, target Target) (w When, name string) {
	ofNode, keys := target.Node != "", doc.keys
	before := len(p.problems)
	w.Kind = doc.key
	switch {
	case keys.Phase != nil: // checked even where there is another key
		w.Kind, w.Phases = "", keys.Phase
		p.phases(path+".phase", keys.Phase, ofNode)
	case keys.Node != nil:
		w.NodeID, w.NodePhases = keys.Node.ID, keys.Node.Phase
		if p.identifier(path+".node.id", keys.Node.ID); keys.Node.ID == "" {
			p.also(path+".node.id", "required")
		}
		p.phases(path+".node.phase", keys.Node.Phase, true)
	case keys.Deadline != nil:
		w.Deadline = keys.Deadline.value()
	case keys.FailureRate != nil:
		w.Rate = &Rate{Of: keys.FailureRate.Of, AtLeast: keys.FailureRate.AtLeast}
	}
	p.history(path, keys, w.Kind)
	for _, d := range []*time.Duration{keys.RunningFor, keys.QueuedFor, keys.BeforeTimeout, keys.NoSuccessFor} {
		if d != nil {
			w.For = *d
		}
	}
	if ofNode && (w.Kind == WhenNode || w.Kind == WhenGate) {
		p.add(path+"."+string(w.Kind), "cannot be together with watch.node")
	}
	if doc.key == "" || len(p.problems) > before {
		return w, ""
	}
	return w, strings.ToLower(string(doc.key) + "-" + doc.text)
}

// history checks the keys that only subscriptions have.
func (p *parser) history(path string, keys whenKeys, kind WhenKind) {
	if slices.Contains(ofHistory(), kind) && !p.subscribing {
		p.add(path+"."+string(kind), "only subscriptions of the server's config can have this: a task knows one execution")
	}
	if keys.NoSuccessFor != nil && *keys.NoSuccessFor <= 0 {
		p.also(path+"."+string(WhenNoSuccessFor), "must be longer than 0s")
	}
	for kind, is := range map[WhenKind]*bool{WhenFirstFailure: keys.FirstFailure, WhenRecovered: keys.Recovered} {
		if is != nil && !*is {
			p.also(path+"."+string(kind), "must be true")
		}
	}
}

func (d *deadlineDocument) value() *Deadline {
	v := &Deadline{In: d.In, Daily: d.Daily}
	if d.At != nil {
		v.At = d.At.Time
	}
	return v
}
