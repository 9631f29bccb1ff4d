package e2e

import (
	"time"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/propeller"
)

// patient makes FlytePropeller wait for an agent that is down, as our README recommends.
func patient(p *propeller.Config, _ *agentproc.Config) { p.Patience = patience }

// plugins chooses what reaches the agent.
func plugins(all ...propeller.Plugin) setting {
	return func(p *propeller.Config, _ *agentproc.Config) { p.Plugins = all }
}

// forceAsync sends these task types through agentForTaskTypes.
func forceAsync(types ...string) setting {
	return func(p *propeller.Config, _ *agentproc.Config) { p.ForceAsync = types }
}

// deliveryTimeout is how long the agent waits for Slack or SendGrid to answer.
func deliveryTimeout(d time.Duration) setting {
	return func(_ *propeller.Config, a *agentproc.Config) { a.DeliveryTimeout = d }
}
