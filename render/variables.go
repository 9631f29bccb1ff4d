package render

import (
	"reflect"
	"time"
)

// variables are Data as templates see them: the same names, with times that carry only methods
// which neither depend on the machine's time zone nor grow without bound.
type variables struct {
	Org             string
	Project         string
	Domain          string
	Name            string
	Phase           string
	Error           string
	ErrorKind       string
	ErrorCode       string
	Workflow        string
	WorkflowVersion string
	LaunchPlan      string
	User            string
	Labels          map[string]string
	StartedAt       Time
	Elapsed         time.Duration
	ConsoleURL      string
	Node            string
	FailedNode      string
	Rule            string
	Reason          string
	Repeat          int
	Skipped         int
	Escalation      int
	Gate            Gate
	History         historyVariables
	Inputs          map[string]any
	Run             Run
	At              Time
}

// historyVariables are History as templates see it.
type historyVariables struct {
	Failures    int
	Since       Time
	LastSuccess Time
}

func (d Data) variables() variables {
	return variables{
		Org: d.Org, Project: d.Project, Domain: d.Domain, Name: d.Name, Phase: d.Phase,
		Error: d.Error, ErrorKind: d.ErrorKind, ErrorCode: d.ErrorCode,
		Workflow: d.Workflow, WorkflowVersion: d.WorkflowVersion, LaunchPlan: d.LaunchPlan,
		User: d.User, Labels: d.Labels, StartedAt: Time{d.StartedAt}, Elapsed: d.Elapsed,
		ConsoleURL: d.ConsoleURL, Node: d.Node, FailedNode: d.FailedNode,
		Rule: d.Rule, Reason: d.Reason, Repeat: d.Repeat, Skipped: d.Skipped, Escalation: d.Escalation,
		Gate: d.Gate, History: historyVariables{d.History.Failures, Time{d.History.Since}, Time{d.History.LastSuccess}}, Inputs: d.Inputs, Run: d.Run, At: Time{d.At},
	}
}

// byName is every variable by its name, as JSON shows it well: what a service's own templates get.
func (v variables) byName() map[string]any {
	all := map[string]any{}
	fields := reflect.ValueOf(v)
	for i := range fields.NumField() {
		all[fields.Type().Field(i).Name] = fields.Field(i).Interface()
	}
	all["StartedAt"], all["At"], all["Elapsed"] = v.StartedAt.String(), v.At.String(), humanize(v.Elapsed)
	all["Gate"] = map[string]any{"Signal": v.Gate.Signal, "Type": v.Gate.Type, "Node": v.Gate.Node, "Approval": v.Gate.Approval}
	all["History"] = map[string]any{
		"Failures": v.History.Failures, "Since": v.History.Since.String(), "LastSuccess": v.History.LastSuccess.String(),
	}
	all["Run"] = map[string]any{"Name": v.Run.Name, "Project": v.Run.Project, "Domain": v.Run.Domain}
	return all
}

// names returns what may follow a variable of this type in a template, and whether that is known.
func names(t reflect.Type) (all []string, known bool) {
	if t.Kind() == reflect.Map || t.Kind() == reflect.Interface {
		return nil, false
	}
	for i := range t.NumMethod() {
		all = append(all, t.Method(i).Name)
	}
	if t.Kind() == reflect.Struct {
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() {
				all = append(all, f.Name)
			}
		}
	}
	return all, true
}

// Time is a moment as templates see it. It prints as RFC 3339 in UTC, and a moment that is not
// known prints as nothing. The function `date` shows it in another zone.
type Time struct{ t time.Time }

// String is the moment as RFC 3339 in UTC, to the second; empty for the zero time.
func (t Time) String() string {
	if t.t.IsZero() {
		return ""
	}
	return t.t.UTC().Format(time.RFC3339)
}

// Format shows the moment in UTC as Go's time.Format does; empty for the zero time.
func (t Time) Format(layout string) string {
	if t.t.IsZero() {
		return ""
	}
	return t.t.UTC().Format(cutBytes(layout, 200))
}

// Unix is the moment in seconds since 1970.
func (t Time) Unix() int64 { return t.t.Unix() }

// IsZero says whether the moment is not known.
func (t Time) IsZero() bool { return t.t.IsZero() }

// Add is the moment d later.
func (t Time) Add(d time.Duration) Time { return Time{t.t.Add(d)} }

// Sub is the time from other to this moment.
func (t Time) Sub(other Time) time.Duration { return t.t.Sub(other.t) }
