// Package preview shows what rules would tell, of a sample or of a real execution. It reads the files that
// rules stand in and renders as the server does; it sends nothing and reads no secret.
package preview

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Rule is a rule with where it stands.
type Rule struct {
	spec.Rule
	Subscription string // its name; empty for a task's
	Match        spec.Match
	Target       spec.Target // what the task watches
	Now          bool        // it is a notification_send task, which is told at once
}

// FullName is the rule's name, and before it that of its subscription.
func (r Rule) FullName() string {
	if r.Subscription == "" {
		return r.Name
	}
	return r.Subscription + "/" + r.Name
}

// File is what a file says.
type File struct {
	Rules  []Rule
	Config *config.Config // nil: it is a task's spec
	// Honoring are the subscriptions that also tell what launch plans declare, which is in no file.
	Honoring []Honoring
	// Broken are the rules that a server leaves out, since their if or template cannot be compiled.
	Broken []notifier.Problem
}

// ProblemsError is a file that says something wrong.
type ProblemsError struct{ Problems []notifier.Problem }

// Error lists the problems by path.
func (e *ProblemsError) Error() string {
	return fmt.Sprintf("%d problems:\n%s", len(e.Problems), bytes.TrimSpace([]byte(config.Problems(e.Problems))))
}

// Read reads a task's spec, a notification_send task's, or the subscriptions of a server's config, whichever
// its keys say. environ overrides the config's keys. The error is a *ProblemsError for what is no such file.
func Read(data []byte, environ []string, registry *notifier.Registry) (*File, error) {
	tree, err := strict.YAML(data)
	if err != nil {
		return nil, &ProblemsError{[]notifier.Problem{{Text: err.Error()}}}
	}
	alone := spec.Env{Registry: registry}
	switch KindOf(tree) {
	case Task:
		return readTask(tree, alone)
	case Send:
		return readSend(tree, alone)
	}
	return readConfig(data, environ, registry)
}

// Kind is what a file is.
type Kind string

// The kinds of files.
const (
	Config Kind = "server config"
	Task   Kind = "notification task"
	Send   Kind = "notification_send task"
)

// KindOf returns what a file is by its keys; one that has none of its own is taken for a config.
func KindOf(tree any) Kind {
	keys, _ := tree.(map[string]any)
	watch, _ := keys["watch"].(map[string]any)
	switch {
	case hasAny(keys, "server", "admin", "flyte", "store", "delivery", "retention", "connections", "defaults", "subscriptions"):
	case hasAny(keys, "rules", "wait"), hasAny(watch, "execution", "node"):
		return Task
	case hasAny(keys, "send", "message", "require"):
		return Send
	}
	return Config
}

func hasAny(m map[string]any, keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { _, ok := m[k]; return ok })
}

func readTask(tree any, env spec.Env) (*File, error) {
	task, problems := spec.ParseTask(tree, env)
	if len(problems) > 0 {
		return nil, &ProblemsError{problems}
	}
	f := &File{}
	for _, r := range task.Rules {
		f.Rules = append(f.Rules, Rule{Rule: r, Target: task.Target})
	}
	return f, nil
}

func readSend(tree any, env spec.Env) (*File, error) {
	task, problems := spec.ParseSend(tree, env)
	if len(problems) > 0 {
		return nil, &ProblemsError{problems}
	}
	rule := spec.Rule{Name: sendName, Send: task.Send, Message: task.Message}
	return &File{Rules: []Rule{{Rule: rule, Now: true}}}, nil
}

// readConfig reads a config as the server does: its subscriptions name connections, and the environment may override
// them.
func readConfig(data []byte, environ []string, registry *notifier.Registry) (*File, error) {
	c, problems := config.Parse(data, environ, registry)
	if len(problems) > 0 {
		return nil, &ProblemsError{problems}
	}
	f := &File{Config: c, Broken: c.Broken}
	for _, s := range c.Subscriptions {
		if s.Honor != nil {
			f.Honoring = append(f.Honoring, Honoring{s.Name, s.Match, s.Honor})
		}
		for _, r := range s.Rules {
			f.Rules = append(f.Rules, Rule{Rule: r, Subscription: s.Name, Match: s.Match})
		}
	}
	return f, nil
}

// Load is Read of a file, with the overrides that the environment has.
func Load(path string, registry *notifier.Registry) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Read(data, os.Environ(), registry)
}

// Select returns the rules of that name, with or without that of their subscription, and all rules for no
// name. Of those it leaves out the ones that never tell of the phase, if one is given.
func (f *File) Select(name, phase string) ([]Rule, error) {
	var found []Rule
	var names, phases []string
	known := false
	for _, r := range f.Rules {
		names = append(names, r.FullName())
		if name != "" && name != r.Name && name != r.FullName() {
			continue
		}
		known = true
		phases = append(phases, slices.Concat(r.When.Phases, r.When.NodePhases)...)
		if phase == "" || r.Now || slices.Contains(slices.Concat(r.When.Phases, r.When.NodePhases), phase) {
			found = append(found, r)
		}
	}
	switch {
	case len(f.Rules) == 0:
		return nil, errors.New("the file has no rules")
	case !known:
		return nil, fmt.Errorf("unknown rule %s%s; there are: %s", strict.Quote(name), strict.Suggest(name, names), list(names))
	case len(found) == 0 && len(phases) == 0:
		return nil, errors.New("no rule tells of a phase")
	case len(found) == 0:
		slices.Sort(phases)
		return nil, fmt.Errorf("no rule tells of phase %s, but of: %s", strict.Quote(phase), list(slices.Compact(phases)))
	}
	return found, nil
}
