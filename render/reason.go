package render

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// reason is why a message is sent: the kind of the rule's condition, and what of it happened.
type reason struct{ kind, value string }

func (d Data) reason() reason {
	kind, value, _ := strings.Cut(d.Reason, ":")
	return reason{kind, value}
}

// node is the id and the phase of a node's reason.
func (r reason) node() (id, phase string) {
	i := strings.LastIndexByte(r.value, ':')
	if i < 0 {
		return r.value, ""
	}
	return r.value[:i], r.value[i+1:]
}

// status is the kind of news.
func (d Data) status() notifier.Status {
	switch r := d.reason(); r.kind {
	case "running_for", "queued_for", "deadline", "gate", "before_timeout":
		return notifier.Warning
	case "no_success_for", "failure_rate", "ops":
		return notifier.Failure
	case "node":
		_, phase := r.node()
		return status(phase)
	}
	return status(d.Phase)
}

// status is the kind of news that a phase of an execution or node is.
func status(phase string) notifier.Status {
	switch phase {
	case "SUCCEEDED":
		return notifier.Success
	case "FAILED", "TIMED_OUT":
		return notifier.Failure
	case "ABORTED", "ABORTING", "FAILING":
		return notifier.Warning
	}
	return notifier.Info
}

func defaultTitle(d Data) string {
	subject := cmp.Or(oneLine(d.Workflow, titleRunes), prefixed("Launch plan ", d.planOnly()), prefixed("Execution ", oneLine(d.Name, titleRunes)), "Flyte execution")
	if kind := d.reason().kind; d.Node != "" && kind != "node" && kind != "before_timeout" { // those name it
		subject += " node " + d.Node
	}
	prefix := ""
	switch {
	case d.Repeat > 0:
		prefix = "Reminder " + strconv.Itoa(d.Repeat) + ": "
	case d.Escalation > 0:
		prefix = "Escalation: "
	}
	return oneLine(prefix+subject+" "+d.happened(), titleRunes)
}

// planOnly is the launch plan of a message that is about no execution.
func (d Data) planOnly() string {
	if d.Name != "" {
		return ""
	}
	return oneLine(d.LaunchPlan, titleRunes)
}

// happened is what did, said of the execution's workflow.
func (d Data) happened() string {
	r := d.reason()
	switch r.kind {
	case "running_for":
		return "has been running for " + inWords(r.value)
	case "queued_for":
		return "has been queued for " + inWords(r.value)
	case "deadline":
		return "missed its deadline: " + d.deadline(r.value)
	case "gate":
		if d.Gate.Approval {
			return "waits for approval: " + r.value
		}
		return "waits for a signal: " + r.value
	case "node":
		id, phase := r.node()
		return "node " + id + " " + phase
	case "first_failure":
		return d.Phase + ", the first failure since " + d.success()
	case "recovered":
		return "has recovered" + d.failures()
	case "no_success_for":
		return "has not succeeded for " + inWords(r.value)
	case "failure_rate":
		return "fails often: " + strings.ReplaceAll(r.value, "/", " of the last ") + " executions"
	case "before_timeout":
		return "node " + r.value + " is about to time out"
	}
	return d.Phase
}

// success is the last one of the launch plan in words.
func (d Data) success() string {
	if d.History.LastSuccess.IsZero() {
		return "it is watched"
	}
	return Time{d.History.LastSuccess}.String()
}

// failures are those that a success ends, in words.
func (d Data) failures() string {
	switch n := d.History.Failures; n {
	case 0:
		return ""
	case 1:
		return " after a failure"
	default:
		return fmt.Sprintf(" after %d failures since %s", n, Time{d.History.Since})
	}
}

// deadline is one in words: a duration counts from the start.
func (d Data) deadline(value string) string {
	if in, err := time.ParseDuration(value); err == nil {
		return humanize(in) + " after its start"
	}
	return value
}

// inWords is a duration as people write it.
func inWords(value string) string {
	d, err := time.ParseDuration(value)
	if err != nil {
		return value
	}
	return humanize(d)
}

// Gate is what an execution waits for; zero where the message is of something else.
type Gate struct {
	Signal   string // by which it is answered
	Type     string // of the answer: "boolean", "integer"
	Node     string // the gate node's id, where known
	Approval bool   // yes or no to go on
}

// Answer is how to answer it with flytekit, beside the console; empty if there is no gate.
func (g Gate) answer(d Data) string {
	switch {
	case g.Signal == "":
		return ""
	case g.Approval:
		return fmt.Sprintf("in the console, or FlyteRemote(...).approve(%q, %q, project=%q, domain=%q); reject(...) declines it", g.Signal, d.Name, d.Project, d.Domain)
	}
	return fmt.Sprintf("in the console, or FlyteRemote(...).set_input(%q, %q, VALUE, project=%q, domain=%q)", g.Signal, d.Name, d.Project, d.Domain)
}
