package flyte

import "github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"

// The kinds of Notification.
const (
	Email     = "email"
	Slack     = "slack"
	PagerDuty = "pagerduty"
)

// Notification is one that a workflow's author declared with flytekit. Flyte itself sends all kinds
// as e-mail.
type Notification struct {
	Phases     []string // upon which it is sent: flyteidl's WorkflowExecution.Phase by name
	Kind       string   // Email, Slack or PagerDuty
	Recipients []string // e-mail addresses, of each kind
}

// notifications are those of an execution's closure: flyteadmin has decided there, at creation,
// between those of the spec and of the launch plan, and sends by them alone. Kinds that this
// version does not know are left out, as flyteadmin refuses them.
func notifications(all []*admin.Notification) []Notification {
	var out []Notification
	for _, n := range all {
		var one Notification
		switch kind := n.GetType().(type) {
		case *admin.Notification_Email:
			one = Notification{Kind: Email, Recipients: kind.Email.GetRecipientsEmail()}
		case *admin.Notification_Slack:
			one = Notification{Kind: Slack, Recipients: kind.Slack.GetRecipientsEmail()}
		case *admin.Notification_PagerDuty:
			one = Notification{Kind: PagerDuty, Recipients: kind.PagerDuty.GetRecipientsEmail()}
		default:
			continue
		}
		for _, phase := range n.GetPhases() {
			one.Phases = append(one.Phases, phase.String())
		}
		out = append(out, one)
	}
	return out
}
