package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Subscription are rules that apply to every execution that its Match selects and that is created after the
// server first loaded it.
type Subscription struct {
	Name    string
	Match   Match
	Rules   []Rule // those that could be read
	CatchUp string // one of the CatchUp constants
	// Honor says how what launch plans declare with Flyte's own notifications is sent as well; nil: it is not.
	Honor *Honor
}

// What becomes of what happened while no server ran for long.
const (
	CatchUpSend   = "send"   // it is told as if it had just happened
	CatchUpDigest = "digest" // it is told in one message to each destination
	CatchUpSkip   = "skip"   // it is not told
)

type subscriptionDocument struct {
	Name    string         `json:"name" required:"true" doc:"what identifies the subscription, for good: under another name it is born anew"`
	Match   matchDocument  `json:"match" doc:"which executions; default: all"`
	Rules   []ruleDocument `json:"rules" max:"100" doc:"what to tell, when, and to whom; each needs a name"`
	CatchUp string         `json:"catch_up" enum:"send,digest,skip" default:"digest" doc:"what becomes of what happened while no server ran for more than 15 minutes: told each, told in one message, or not told"`
	Honor   bool           `json:"honor_launch_plan_notifications" default:"false" doc:"send what launch plans declare with Flyte's own notifications as well"`
}

// ParseSubscriptions reads a list of subscriptions. Structural problems make the list nil. A rule of which
// only the if or a template cannot be compiled is left out, and told as broken: all others run.
func ParseSubscriptions(path string, tree any, env Env) (all []Subscription, problems, broken []notifier.Problem) {
	var docs struct {
		List []subscriptionDocument `json:"list" max:"10000"`
	}
	p := &parser{env: env, subscribing: true}
	for _, found := range strict.Decode(map[string]any{"list": tree}, &docs) {
		found.Path = path + found.Path[min(len("list"), len(found.Path)):]
		p.problems = append(p.problems, found)
	}
	named := map[string]int{}
	for i, doc := range docs.List {
		at := strict.Index(path, i)
		all = append(all, p.subscription(at, doc))
		if first, twice := named[doc.Name]; twice && doc.Name != "" {
			p.add(at+".name", fmt.Sprintf("%s is the name of %s already", strict.Quote(doc.Name), strict.Index(path, first)))
		} else {
			named[doc.Name] = i
		}
	}
	strict.Sort(p.broken)
	p.broken = strict.Limit(p.broken)
	if problems = p.result(); problems != nil {
		return nil, problems, p.broken
	}
	return all, nil, p.broken
}

func (p *parser) subscription(at string, doc subscriptionDocument) Subscription {
	p.name(at+".name", doc.Name)
	switch {
	case doc.Name == "":
		p.also(at+".name", "required")
	case strings.Contains(doc.Name, "/"):
		p.also(at+".name", "must not have a /, which separates it from its rules' names")
	}
	s := Subscription{Name: doc.Name, Match: p.match(at+".match", doc.Match), CatchUp: doc.CatchUp}
	s.Honor = p.honor(at+"."+honorKey, doc.Honor)
	if len(doc.Rules) == 0 && !doc.Honor {
		p.also(at+".rules", "required")
	}
	named := map[string]int{}
	for i, rule := range doc.Rules {
		path := strict.Index(at+".rules", i)
		if doc.Honor && strings.HasPrefix(rule.Name, HonoredPrefix) {
			p.also(path+".name", "must not begin with "+HonoredPrefix+", as the names of what launch plans declare do")
		}
		if rule.Name == "" {
			p.also(path+".name", "required: what a rule has told is remembered under its name")
		} else if first, twice := named[rule.Name]; twice {
			p.add(path+".name", fmt.Sprintf("%s is the name of %s already", strict.Quote(rule.Name), strict.Index(at+".rules", first)))
		} else {
			named[rule.Name] = i
		}
		before := len(p.broken)
		if r := p.rule(path, rule, p.reach(s.Match)); len(p.broken) == before {
			s.Rules = append(s.Rules, r)
		}
	}
	return s
}

// reach is the scope of all executions that are selected, if it is one: connections can be checked by it.
func (p *parser) reach(m Match) Target {
	if !m.OneScope() {
		return Target{}
	}
	return Target{Execution: Execution{Project: m.Project, Domain: m.Domain, Name: "*"}}
}

// soft adds a problem of an if or a template. A task with one is refused; of a subscription the rule is left out.
func (p *parser) soft(path, text string) {
	if !p.subscribing {
		p.add(path, text)
		return
	}
	if problem := (notifier.Problem{Path: path, Text: text}); !slices.Contains(p.broken, problem) {
		p.broken = append(p.broken, problem)
	}
}
