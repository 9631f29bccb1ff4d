package spec

import (
	"path"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// Match selects executions. A pattern is as in path.Match, without "/": "*" stands for any text; an empty
// one matches everything.
type Match struct {
	Project    string
	Domain     string
	Workflow   string // by its name without project and version
	LaunchPlan string // likewise
	User       string
	Trigger    string            // TriggerSchedule, TriggerManual or empty
	Labels     map[string]string // patterns; a label that is absent is ""
}

// What started an execution, as a subscription may select it.
const (
	TriggerSchedule = "schedule"
	TriggerManual   = "manual"
)

// Subject is what a Match looks at of an execution.
type Subject struct {
	Project, Domain, Workflow, LaunchPlan, User, Trigger string
	Labels                                               map[string]string
}

// Matches says whether the execution is selected. What selects most comes first.
func (m *Match) Matches(s *Subject) bool {
	if !Fits(m.Project, s.Project) || !Fits(m.Domain, s.Domain) || !Fits(m.LaunchPlan, s.LaunchPlan) ||
		!Fits(m.Workflow, s.Workflow) || !Fits(m.User, s.User) || m.Trigger != "" && m.Trigger != s.Trigger {
		return false
	}
	for label, pattern := range m.Labels {
		if value := s.Labels[label]; pattern != value && (pattern == "" || !Fits(pattern, value)) {
			return false
		}
	}
	return true
}

// OneScope says whether all that can be selected is of the one scope that Project and Domain name.
func (m *Match) OneScope() bool { return identifier(m.Project) && identifier(m.Domain) }

// OnePlan says whether LaunchPlan names one.
func (m *Match) OnePlan() bool {
	return m.LaunchPlan != "" && !strings.ContainsAny(m.LaunchPlan, meta)
}

// meta are what makes a text a pattern.
const meta = `*?[\\`

// Scoped says whether executions of this scope can be selected.
func (m *Match) Scoped(project, domain string) bool {
	return Fits(m.Project, project) && Fits(m.Domain, domain)
}

// Fits is a pattern's match. Most patterns are plain texts, stand for anything, or begin as no text that they are
// compared with does.
func Fits(pattern, text string) bool {
	if pattern == "" || pattern == "*" || pattern == text {
		return true
	}
	plain := 0
	for plain < len(pattern) && !special(pattern[plain]) {
		plain++
	}
	if plain == len(pattern) {
		return false
	}
	if strings.IndexByte(text, '/') < 0 && strings.IndexByte(pattern, '/') < 0 {
		if !strings.HasPrefix(text, pattern[:plain]) {
			return false
		}
		if pattern[plain:] == "*" {
			return true
		}
	}
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(text, "/", "\x00")) // "*" would stop at a slash alone
	return err == nil && ok
}

// special says whether a byte is one of meta: this is asked for every pattern of every execution.
func special(c byte) bool { return c == '*' || c == '?' || c == '[' || c == '\\' }

type matchDocument struct {
	Project    string            `json:"project" doc:"pattern; default: every project"`
	Domain     string            `json:"domain" doc:"pattern; default: every domain"`
	Workflow   string            `json:"workflow" doc:"pattern of the workflow's name, without project and version; default: every workflow"`
	LaunchPlan string            `json:"launch_plan" doc:"pattern of the launch plan's name; default: every one"`
	User       string            `json:"user" doc:"pattern of the principal that started it; default: everybody"`
	Trigger    string            `json:"trigger" enum:"schedule,manual" doc:"what started it; default: anything"`
	Labels     map[string]string `json:"labels" doc:"patterns of labels' values; all must match, and an absent label is empty"`
}

func (p *parser) match(at string, doc matchDocument) Match {
	for key, pattern := range map[string]string{
		"project": doc.Project, "domain": doc.Domain, "workflow": doc.Workflow, "launch_plan": doc.LaunchPlan, "user": doc.User,
	} {
		p.pattern(at+"."+key, pattern)
	}
	for label, pattern := range doc.Labels {
		p.pattern(strict.Key(at+".labels", label), pattern)
	}
	return Match(doc)
}

func (p *parser) pattern(at, pattern string) {
	if _, err := path.Match(pattern, ""); err != nil {
		p.add(at, "malformed pattern "+strict.Quote(pattern))
	}
}
