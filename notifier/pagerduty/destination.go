package pagerduty

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// What dedup says, if anything.
const (
	dedupExecution  = "execution"
	dedupLaunchPlan = "launch_plan"
)

// Destination is how an event looks at the connection's service, and to which incident it belongs.
type Destination struct {
	Severity  string `json:"severity,omitempty" enum:"critical,error,warning,info" doc:"default by the kind of news: error for a failure, warning, else info"`
	Component string `json:"component,omitempty" doc:"the part that is affected; default the workflow"`
	Group     string `json:"group,omitempty" doc:"what the part belongs to; default project/domain"`
	Class     string `json:"class,omitempty" doc:"the class of the event; default the reason, such as phase:FAILED"`
	Dedup     string `json:"dedup,omitempty" enum:"execution,launch_plan" doc:"what is one incident: an execution, or all executions of a launch plan; default execution, but launch_plan for first_failure and recovered, and one of their own of the launch plan for failure_rate and no_success_for"`
	DedupKey  string `json:"dedup_key,omitempty" doc:"the dedup_key itself, a template usually; it overrides dedup"`
}

// Validate returns what is wrong with the keys.
func (d *Destination) Validate() []notifier.Problem {
	var problems []notifier.Problem
	for _, key := range []struct {
		path, value string
		of          []string
	}{
		{"severity", d.Severity, []string{"critical", "error", "warning", "info"}},
		{"dedup", d.Dedup, []string{dedupExecution, dedupLaunchPlan}},
	} {
		if key.value != "" && !slices.Contains(key.of, key.value) {
			problems = append(problems, notifier.Problem{Path: key.path, Text: fmt.Sprintf("must be one of %s", strings.Join(key.of, ", "))})
		}
	}
	return problems
}

// Address is "pagerduty": a connection leads to one service, whose events share its rate. What opens an incident and
// what resolves it are told apart by State.
func (d *Destination) Address() string { return Kind }
