package preview

import (
	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Honoring is a subscription that sends what launch plans declare for Flyte itself as well.
type Honoring struct {
	Subscription string // its name
	Match        spec.Match
	Honor        *spec.Honor
}

// Rules are those that the declarations of an execution stand for.
func (h Honoring) Rules(x flyte.Execution) (all []Rule) {
	for _, r := range executor.Declared(h.Honor, x) {
		all = append(all, Rule{Rule: r, Subscription: h.Subscription, Match: h.Match})
	}
	return all
}

// Declare adds to the file's rules those that an execution declares.
func (f *File) Declare(x flyte.Execution) {
	for _, h := range f.Honoring {
		f.Rules = append(f.Rules, h.Rules(x)...)
	}
}

// Declaring is a sample of an execution whose launch plan declares a notification of each end.
func Declaring() flyte.Execution {
	return flyte.Execution{Notifications: []flyte.Notification{{
		Kind: flyte.Email, Phases: []string{"FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"}, Recipients: []string{"ada@example.org"},
	}}}
}
