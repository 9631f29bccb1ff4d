package spec

import (
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// Group makes one message of several occurrences of a rule.
type Group struct {
	By    []string      `json:"by,omitempty"` // what they have in common, see GroupKeys; empty: nothing
	Wait  time.Duration `json:"wait"`         // from the first one to the message
	Every time.Duration `json:"every"`        // between two messages, at least
}

// GroupKeys are what occurrences may be grouped by, beside labels.NAME.
func GroupKeys() []string {
	return []string{"project", "domain", "workflow", "launch_plan", "name", "user", "phase", "reason", "error_code"}
}

// labelPrefix is what a label is called by in Group.By.
const labelPrefix = "labels."

type groupDocument struct {
	By    []string      `json:"by" min:"1" max:"10" doc:"project, domain, workflow, launch_plan, name, user, phase, reason, error_code or labels.NAME; default: all occurrences of the rule"`
	Wait  time.Duration `json:"wait" default:"30s" doc:"from the first occurrence to the message"`
	Every time.Duration `json:"every" default:"5m" doc:"between two messages, at least"`
}

type inhibitDocument struct {
	Parent bool `json:"parent" required:"true" doc:"true: a failure is not told when what contains it has failed as well: of a child execution its parent, of a node its execution"`
}

func (p *parser) group(path string, doc *groupDocument) *Group {
	if doc == nil {
		return nil
	}
	for i, key := range doc.By {
		label, isLabel := strings.CutPrefix(key, labelPrefix)
		if !slices.Contains(GroupKeys(), key) && (!isLabel || label == "") {
			p.also(strict.Index(path+".by", i), "unknown key "+strict.Quote(key)+strict.Suggest(key, GroupKeys())+", must be one of "+
				strings.Join(GroupKeys(), ", ")+" and labels.NAME")
		}
	}
	return &Group{By: doc.By, Wait: doc.Wait, Every: doc.Every}
}

// Label returns the label that an entry of Group.By names, if it names one.
func (g *Group) Label(key string) (string, bool) { return strings.CutPrefix(key, labelPrefix) }

// noise reads what keeps a rule from telling too much.
func (p *parser) noise(path string, doc ruleDocument, r *Rule) {
	r.For, r.Quiet, r.Group = doc.For, doc.Quiet.quiet(), p.group(path+".group", doc.Group)
	if doc.For > 0 && slices.Contains(ofHistory(), r.When.Kind) {
		p.also(path+".for", "cannot be together with "+string(r.When.Kind)+", which is a moment")
	}
	if r.When.Is() == WhenNoSuccessFor && (doc.Repeat != nil || doc.Escalate != nil) {
		p.also(path+".when.no_success_for", "cannot be together with repeat or escalate: it is told once until the next success")
	}
	if doc.Inhibit == nil {
		return
	}
	r.Inhibit = doc.Inhibit.Parent
	if !doc.Inhibit.Parent {
		p.also(path+".inhibit.parent", "must be true")
	}
	if !slices.ContainsFunc(slices.Concat(r.When.Phases, r.When.NodePhases), Failing) {
		p.also(path+".inhibit", "needs a phase that is a failure: FAILING, FAILED, TIMED_OUT, ABORTING or ABORTED")
	}
}

// Failing says whether a phase, of an execution or a node, means that it fails.
func Failing(phase string) bool {
	return slices.Contains([]string{"FAILING", "FAILED", "TIMED_OUT", "ABORTING", "ABORTED"}, phase)
}
