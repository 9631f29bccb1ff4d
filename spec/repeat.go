package spec

import (
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// Repeat says how a rule reminds, until what it told is over or somebody acknowledges it.
type Repeat struct {
	Every time.Duration `json:"every"` // after the last message
	Max   int           `json:"max,omitempty"`
}

// Escalation tells further destinations when what a rule told lasts, and nobody has acknowledged it.
type Escalation struct {
	After time.Duration `json:"after"` // since the first message
	Send  []Step        `json:"send"`
}

// Lasting says whether what the condition tells is over only when somebody acknowledges it: an end.
func (w When) Lasting() bool {
	switch w.Is() {
	case WhenPhase, WhenNode:
		return slices.ContainsFunc(w.Phases, terminal) || slices.ContainsFunc(w.NodePhases, terminal)
	case WhenFirstFailure, WhenRecovered, WhenFailureRate:
		return true
	}
	return false
}

// terminal says whether nothing leaves a phase, of an execution or a node, by itself.
func terminal(phase string) bool {
	return slices.Contains([]string{"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT", "SKIPPED", "RECOVERED"}, phase)
}

func (p *parser) repeat(path string, doc *repeatDocument, w When) *Repeat {
	if doc == nil {
		return nil
	}
	if doc.Every <= 0 {
		p.also(path+".every", "must be longer than 0s")
	}
	switch {
	case doc.Until == "ended" && w.Lasting():
		p.add(path+".until", "must be acknowledged: the condition is itself an end")
	case w.Lasting() && doc.Max == 0:
		p.also(path+".max", "required: the condition is an end, which is never over by itself")
	}
	return &Repeat{Every: doc.Every, Max: doc.Max}
}

func (p *parser) escalations(path string, docs []escalationDocument, target Target) []Escalation {
	var all []Escalation
	for i, doc := range docs {
		at := strict.Index(path, i)
		if i > 0 && doc.After < docs[i-1].After {
			p.also(at+".after", "must not be shorter than that of the one before")
		}
		all = append(all, Escalation{After: doc.After, Send: p.steps(at+".send", doc.Send, target)})
	}
	return all
}

// fallback is nil where the rule has none: what is stored of it stays as small as it was.
func (p *parser) fallback(path string, entries []any, target Target) []Step {
	if len(entries) == 0 {
		return nil
	}
	return p.steps(path, entries, target)
}

// also adds a problem, unless there is one at the path.
func (p *parser) also(path, text string) {
	if !p.told(path) {
		p.add(path, text)
	}
}
