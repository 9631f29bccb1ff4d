package preview

import "encoding/json"

// Line is a message to one destination as --json prints it.
type Line struct {
	Rule          string          `json:"rule"` // of a subscription: its name, "/" and the rule's
	Reason        string          `json:"reason"`
	Repeat        int             `json:"repeat,omitempty"`
	Escalation    int             `json:"escalation,omitempty"`
	Fallback      bool            `json:"fallback,omitempty"` // sent only when all others are dead
	Project       string          `json:"project"`
	Domain        string          `json:"domain"`
	Name          string          `json:"name"`
	Notifier      string          `json:"notifier"`
	Connection    string          `json:"connection"`
	Destination   string          `json:"destination"`
	Status        string          `json:"status"`
	Title         string          `json:"title"`
	Subject       string          `json:"subject,omitempty"`
	Text          string          `json:"text"`
	Payload       json.RawMessage `json:"payload,omitempty"`
	TemplateError string          `json:"template_error,omitempty"`
	Error         string          `json:"error,omitempty"`    // why it would be dead
	LeftOut       string          `json:"left_out,omitempty"` // what templates of its destination did not give
	Notes         []string        `json:"notes,omitempty"`
}

// Lines are the messages, one for each destination.
func (t Told) Lines() (all []Line) {
	for _, d := range t.To {
		all = append(all, Line{
			Rule: t.Rule.FullName(), Reason: t.Occurrence.Reason, Repeat: t.Occurrence.Count, Escalation: t.Occurrence.Escalation, Fallback: t.Fallback,
			Project: t.Data.Project, Domain: t.Data.Domain, Name: t.Data.Name,
			Notifier: d.Kind, Connection: d.Connection, Destination: d.Address,
			Status: string(t.Message.Status), Title: t.Message.Title, Subject: d.Subject, Text: d.Text, Payload: d.Payload,
			TemplateError: t.TemplateError, Error: d.Error, LeftOut: d.LeftOut, Notes: t.Notes(),
		})
	}
	return all
}
