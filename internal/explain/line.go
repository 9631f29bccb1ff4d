package explain

import (
	"time"

	"github.com/flyte-notifier/flyte-notifier/executor"
)

// Line is a finding as --json prints it. Times are RFC 3339, null where there is none.
type Line struct {
	Rule       string         `json:"rule"`
	Project    string         `json:"project"`
	Domain     string         `json:"domain"`
	Name       string         `json:"name"`
	Node       string         `json:"node,omitempty"`
	Watch      string         `json:"watch"`
	State      string         `json:"state"` // of the watch
	Phase      string         `json:"phase"` // of the execution
	StartedAt  *time.Time     `json:"started_at"`
	EndedAt    *time.Time     `json:"ended_at"`
	Verdict    string         `json:"verdict"` // executor.Verdict, or "unselected"
	Unselected string         `json:"unselected,omitempty"`
	When       string         `json:"when"`
	Why        []string       `json:"why"`
	FiresAt    *time.Time     `json:"fires_at"`
	If         *ConditionLine `json:"if,omitempty"`
	Told       []ToldLine     `json:"told"`
	Deliveries []DeliveryLine `json:"deliveries"`
}

// ConditionLine is a rule's `if`.
type ConditionLine struct {
	Text   string         `json:"text"`
	Holds  bool           `json:"holds"`
	Error  string         `json:"error,omitempty"`
	Values map[string]any `json:"values"` // by the variables that it reads; durations as text
}

// ToldLine is an occurrence that was told.
type ToldLine struct {
	Reason         string     `json:"reason"`
	At             *time.Time `json:"at"`
	Holds          bool       `json:"holds"`
	Reminders      int        `json:"reminders"`
	NextReminder   *time.Time `json:"next_reminder"`
	Escalations    int        `json:"escalations"`
	NextEscalation *time.Time `json:"next_escalation"`
	AcknowledgedAt *time.Time `json:"acknowledged_at"`
	By             string     `json:"by,omitempty"`
}

// DeliveryLine is a message to one destination.
type DeliveryLine struct {
	ID          string     `json:"id"`
	State       string     `json:"state"`
	Reason      string     `json:"reason"`
	Notifier    string     `json:"notifier"`
	Destination string     `json:"destination"`
	CreatedAt   *time.Time `json:"created_at"`
	SettledAt   *time.Time `json:"settled_at"`
	LastError   string     `json:"last_error,omitempty"`
}

// Line is the finding for --json.
func (f Finding) Line() Line {
	x := f.Facts.Execution
	l := Line{
		Rule: f.Rule.FullName(), Project: x.ID.Project, Domain: x.ID.Domain, Name: x.ID.Name, Node: f.Watch.Node,
		Watch: f.Watch.ID, State: string(f.Watch.State), Phase: x.Phase, StartedAt: moment(x.StartedAt), EndedAt: moment(x.EndedAt),
		Verdict: string(f.Verdict), Unselected: f.Unselected, When: f.When, Why: f.Why, FiresAt: moment(f.At),
		If: conditionLine(f.If), Told: []ToldLine{}, Deliveries: []DeliveryLine{},
	}
	if f.Unselected != "" {
		l.Verdict, l.FiresAt = "unselected", nil
	}
	for _, m := range f.Told {
		l.Told = append(l.Told, ToldLine{
			Reason: m.Reason, At: moment(m.At), Holds: m.Holds, Reminders: m.Reminders, NextReminder: moment(m.Next),
			Escalations: m.Escalations, NextEscalation: moment(m.NextEscalation), AcknowledgedAt: moment(m.Acknowledged), By: m.By,
		})
	}
	for _, d := range f.Deliveries {
		l.Deliveries = append(l.Deliveries, DeliveryLine{
			ID: d.ID, State: string(state(d)), Reason: d.Reason, Notifier: d.Kind, Destination: d.Address,
			CreatedAt: moment(d.CreatedAt), SettledAt: moment(d.SettledAt), LastError: d.LastError,
		})
	}
	return l
}

func conditionLine(c *executor.IfResult) *ConditionLine {
	if c == nil {
		return nil
	}
	l := &ConditionLine{Text: c.Text, Holds: c.Holds, Error: c.Error, Values: map[string]any{}}
	for _, v := range c.Values {
		l.Values[v.Name] = v.Value
		if d, ok := v.Value.(time.Duration); ok {
			l.Values[v.Name] = d.String()
		}
	}
	return l
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
