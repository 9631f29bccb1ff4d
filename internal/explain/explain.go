// Package explain says why rules fire for an execution or do not: by its facts, and by what a store remembers
// of it. It changes nothing.
package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/preview"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Question is what somebody asks.
type Question struct {
	Rule          string // of a subscription: its name, "/" and the rule's
	Execution     flyte.ExecutionID
	Watch         string         // only this one; empty: all of the execution
	Subscriptions []preview.Rule // of the server's config
	Honoring      []preview.Honoring
}

// Finding is a rule of one watch, or of a subscription.
type Finding struct {
	Rule       preview.Rule
	Watch      store.Watch // the zero one where a subscription has made none
	Facts      executor.Facts
	Unselected string // why the subscription does not select the execution; empty if it does
	Deliveries []store.Delivery
	executor.Explanation
}

// Sources are where facts come from.
type Sources struct {
	Store Store
	// Facts reads what these rules look at of an execution, or of a node of it.
	Facts func(ctx context.Context, id flyte.ExecutionID, node string, rules ...spec.Rule) (executor.Facts, error)
	Now   func() time.Time
}

// Store is what is read of a store.
type Store interface {
	executor.Archive
	Notes(ctx context.Context, kind string, keys []string) ([]store.Note, error)
}

// candidate is a rule that somebody may ask for.
type candidate struct {
	rule preview.Rule
	from executor.Remembered
}

// Ask explains every rule of that name. The error names the rules that there are where none has it.
func (s Sources) Ask(ctx context.Context, q Question) ([]Finding, error) {
	var also []string
	if q.Watch != "" {
		also = []string{q.Watch}
	}
	known, err := executor.Remember(ctx, s.Store, q.Execution, also...)
	if err != nil {
		return nil, err
	}
	asked, names := choose(candidates(known, q), q.Rule)
	if len(asked) == 0 && len(q.Honoring) > 0 {
		if q.Subscriptions, err = s.declared(ctx, q); err != nil {
			return nil, err
		}
		asked, names = choose(candidates(known, q), q.Rule)
	}
	if len(asked) == 0 {
		return nil, missing(q, known, names)
	}
	all := make([]Finding, 0, len(asked))
	for _, c := range asked {
		found, err := s.explain(ctx, c, q.Execution)
		if err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	return all, nil
}

// choose returns those of a name, and the names of all.
func choose(all []candidate, rule string) (asked []candidate, names []string) {
	for _, c := range all {
		name := c.rule.FullName()
		if names = append(names, name); name == rule {
			asked = append(asked, c)
		}
	}
	return asked, names
}

// declared are the rules of the subscriptions with those that the execution itself declares.
func (s Sources) declared(ctx context.Context, q Question) ([]preview.Rule, error) {
	f, err := s.Facts(ctx, q.Execution, "")
	if err != nil {
		return nil, err
	}
	all := slices.Clone(q.Subscriptions)
	for _, h := range q.Honoring {
		all = append(all, h.Rules(f.Execution)...)
	}
	return all, nil
}

// missing says why there is no such rule: it cannot be read any more, or nothing has its name.
func missing(q Question, known []executor.Remembered, names []string) error {
	for _, m := range known {
		for _, lost := range m.Unreadable {
			if lost.Rule == q.Rule && (q.Watch == "" || q.Watch == m.Watch.ID) {
				return fmt.Errorf("watch %s: %w, so it never fires", m.Watch.ID, lost)
			}
		}
	}
	slices.Sort(names)
	switch names = slices.Compact(names); {
	case len(names) == 0 && q.Watch != "":
		return fmt.Errorf("execution %s has no watch %s", q.Execution, strict.Quote(q.Watch))
	case len(names) == 0:
		return fmt.Errorf("execution %s has no watches, and the config no subscriptions", q.Execution)
	}
	return fmt.Errorf("unknown rule %s%s; there are: %s", strict.Quote(q.Rule), strict.Suggest(q.Rule, names), strings.Join(names, ", "))
}

// candidates are the rules of the execution's tasks, and those of all subscriptions.
func candidates(known []executor.Remembered, q Question) (all []candidate) {
	for _, m := range known {
		if q.Watch != "" && m.Watch.ID != q.Watch {
			continue
		}
		for _, r := range m.Rules {
			target := spec.Target{Node: m.Watch.Node}
			all = append(all, candidate{preview.Rule{Rule: r, Target: target}, m})
		}
	}
	for _, r := range q.Subscriptions {
		c := candidate{rule: r}
		for _, m := range known {
			if len(m.Watch.Custom) == 0 || m.Told[r.Subscription] != nil || len(m.DeliveriesOf(r.Subscription, r.Name)) > 0 {
				c.from = m
			}
		}
		if q.Watch == "" || c.from.Watch.ID == q.Watch {
			all = append(all, c)
		}
	}
	return all
}

func (s Sources) explain(ctx context.Context, c candidate, id flyte.ExecutionID) (Finding, error) {
	f := Finding{Rule: c.rule, Watch: c.from.Watch, Deliveries: c.from.DeliveriesOf(c.rule.Subscription, c.rule.Name)}
	var err error
	if f.Facts, err = s.Facts(ctx, id, c.rule.Target.Node, c.rule.Rule); err != nil {
		return f, err
	}
	if f.Facts.Inputs, err = c.from.Inputs(); err != nil {
		return f, err
	}
	var numbers []string
	if c.rule.Subscription != "" && executor.OfHistory(c.rule.Rule) {
		if f.Facts, numbers, err = executor.Past(ctx, s.Store, c.rule.Subscription, c.rule.Rule, f.Facts, s.Now()); err != nil {
			return f, err
		}
	}
	f.Explanation = executor.Explain(f.Facts, c.rule.Rule, c.from.ToldBy(c.rule.Subscription, c.rule.Name), s.Now())
	f.Why = append(f.Why, numbers...)
	if c.rule.Subscription != "" {
		f.Unselected, err = s.unselected(ctx, c.rule, f.Facts.Execution)
	}
	return f, err
}

// unselected says why a subscription does not select the execution.
func (s Sources) unselected(ctx context.Context, r preview.Rule, x flyte.Execution) (string, error) {
	if why := mismatch(r.Match, x); why != "" {
		return why, nil
	}
	born, err := executor.Born(ctx, s.Store, r.Subscription)
	if err != nil {
		return "", err
	}
	if !x.CreatedAt.IsZero() && x.CreatedAt.Before(born) {
		return fmt.Sprintf("it was created %s, before the subscription was first loaded %s",
			x.CreatedAt.UTC().Format(time.RFC3339), born.UTC().Format(time.RFC3339)), nil
	}
	return "", nil
}

// mismatch names what of the execution the patterns do not match; empty if it is nothing.
func mismatch(m spec.Match, x flyte.Execution) string {
	subject := executor.SubjectOf(x)
	if m.Matches(&subject) {
		return ""
	}
	parts := []struct {
		name, pattern, value string
		alone                spec.Match
	}{
		{"project", m.Project, subject.Project, spec.Match{Project: m.Project}},
		{"domain", m.Domain, subject.Domain, spec.Match{Domain: m.Domain}},
		{"workflow", m.Workflow, subject.Workflow, spec.Match{Workflow: m.Workflow}},
		{"launch_plan", m.LaunchPlan, subject.LaunchPlan, spec.Match{LaunchPlan: m.LaunchPlan}},
		{"user", m.User, subject.User, spec.Match{User: m.User}},
		{"trigger", m.Trigger, subject.Trigger, spec.Match{Trigger: m.Trigger}},
	}
	var all []string
	for _, p := range parts {
		if !p.alone.Matches(&subject) {
			all = append(all, fmt.Sprintf("%s is %s, not %s", p.name, strict.Quote(p.value), strict.Quote(p.pattern)))
		}
	}
	for label, pattern := range m.Labels {
		alone := spec.Match{Labels: map[string]string{label: pattern}}
		if !alone.Matches(&subject) {
			all = append(all, fmt.Sprintf("label %s is %s, not %s", label, strict.Quote(subject.Labels[label]), strict.Quote(pattern)))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}
