package spec

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Honor is how notifications are sent that workflows declare for Flyte itself: all as e-mail, as Flyte does.
type Honor struct {
	Kind       string // of the notifier
	Connection string
	path       string
}

// honorKey is the key of a subscription that wants it.
const honorKey = "honor_launch_plan_notifications"

// HonoredPrefix begins the names of rules that declared notifications stand for.
const HonoredPrefix = "launch-plan-"

// Rule is the rule that a declared notification stands for. A recipient that looks like a template is left out:
// whoever starts an execution may write one. The phases are flyteidl's WorkflowExecution.Phase by
// name, the recipients addresses.
func (h *Honor) Rule(name string, phases, recipients []string) Rule {
	recipients = slices.DeleteFunc(slices.Clone(recipients), notifier.IsTemplate)
	to, _ := json.Marshal(map[string]any{"to": recipients}) // a list of texts is always JSON
	return Rule{
		Name: name, When: When{Phases: phases},
		Send: []Step{{Kind: h.Kind, Connection: h.Connection, Destination: to, Path: h.path}},
	}
}

// honor finds the connection that sends mail where none is named.
func (p *parser) honor(path string, wanted bool) *Honor {
	if !wanted {
		return nil
	}
	var kinds []string
	for _, m := range p.env.Registry.All() {
		if !m.Mail {
			continue
		}
		kinds = append(kinds, m.Kind)
		if p.env.alone() {
			return &Honor{Kind: m.Kind, path: path}
		}
		if c, err := p.env.Connections.Find(m.Kind, ""); err == nil {
			return &Honor{Kind: m.Kind, Connection: c.Name, path: path}
		}
	}
	text := "no notifier of this server sends mail"
	if len(kinds) > 0 {
		for i, kind := range kinds {
			kinds[i] = strict.Key("defaults", kind)
		}
		text = "needs " + strings.Join(kinds, " or ") + ": Flyte's own notifications are all sent as e-mail"
	}
	p.add(path, text)
	return nil
}
