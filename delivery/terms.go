package delivery

import "github.com/flyte-notifier/flyte-notifier/notifier"

// terms are what deliveries are sent by, until there are others. They never change.
type terms struct {
	connections *notifier.Connections
	config      Config
	over        chan struct{} // closed once others hold
}

func newTerms(c *notifier.Connections, config Config) *terms {
	return &terms{connections: c, config: config, over: make(chan struct{})}
}

// policy is the retry policy that holds now.
func (o *Outbox) policy() Config { return o.terms.Load().config }

// replaced says whether others hold.
func (t *terms) replaced() bool {
	select {
	case <-t.over:
		return true
	default:
		return false
	}
}

// Reload lets deliveries be sent by these connections and this policy from now on. A call to a service that is
// under way ends as it began. What waits, for its turn or for a token of its rate, is judged anew before it is
// sent, and services that failed are tried at once: so it does not go through a connection that was removed or forbidden meanwhile. It may be called at any time.
func (o *Outbox) Reload(c *notifier.Connections, config Config) {
	before := o.terms.Swap(newTerms(c, config))
	o.health.reset(c)
	close(before.over)
	if o.queue != nil {
		o.queue.WorkAlso(o.named())
	}
	o.Wake()
}

// named are the connections that deliveries name: a notifier without a config has one of its own.
func (o *Outbox) named() (names []string) {
	for _, c := range o.terms.Load().connections.All() {
		if m, ok := o.Registry.Find(c.Kind); ok && m.Config != nil {
			names = append(names, c.Name)
		}
	}
	return names
}
