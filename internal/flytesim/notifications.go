package flytesim

import (
	"fmt"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// notifications are what flyteadmin puts into the closure when it creates an execution. It panics on
// an unknown kind or phase: that is an error of the test.
func notifications(all []flyte.Notification) []*admin.Notification {
	var out []*admin.Notification
	for _, n := range all {
		one := &admin.Notification{}
		switch n.Kind {
		case flyte.Email:
			one.Type = &admin.Notification_Email{Email: &admin.EmailNotification{RecipientsEmail: n.Recipients}}
		case flyte.Slack:
			one.Type = &admin.Notification_Slack{Slack: &admin.SlackNotification{RecipientsEmail: n.Recipients}}
		case flyte.PagerDuty:
			one.Type = &admin.Notification_PagerDuty{PagerDuty: &admin.PagerDutyNotification{RecipientsEmail: n.Recipients}}
		default:
			panic(fmt.Sprintf("flytesim: no such notification %q", n.Kind))
		}
		for _, phase := range n.Phases {
			p, ok := core.WorkflowExecution_Phase_value[phase]
			if !ok {
				panic(fmt.Sprintf("flytesim: no such phase %q", phase))
			}
			one.Phases = append(one.Phases, core.WorkflowExecution_Phase(p))
		}
		out = append(out, one)
	}
	return out
}
