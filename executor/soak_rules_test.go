package executor_test

import (
	"encoding/json"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

// soakTaskRules are rules of which tasks have some.
func soakTaskRules() []spec.Rule {
	two := 2 * time.Hour
	morning := &spec.Daily{}
	if err := morning.UnmarshalText([]byte("06:00 Europe/Paris")); err != nil {
		panic(err)
	}
	return []spec.Rule{
		onPhases("ended", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"),
		onPhases("under way", "QUEUED", "RUNNING", "FAILING", "ABORTING", "SUCCEEDING"),
		when("failed", spec.When{Phases: []string{"FAILED"}}, every(time.Hour, 3), escalating(30*time.Minute, 3*time.Hour), quietly(soakHours().night)),
		when("queue", spec.When{Kind: spec.WhenQueuedFor, For: 5 * time.Minute}, every(10*time.Minute, 0)),
		when("long", runningFor(30*time.Minute), every(20*time.Minute, 4), escalating(10*time.Minute, 50*time.Minute)),
		when("late", spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{In: &two}}),
		when("morning", spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{Daily: morning}}, every(time.Hour, 2)),
		when("gate", spec.When{Kind: spec.WhenGate}, every(15*time.Minute, 3), together(time.Minute, 20*time.Minute)),
		when("node", spec.When{Kind: spec.WhenNode, NodeID: "n1", NodePhases: []string{"FAILED"}}),
		when("limit", spec.When{Kind: spec.WhenBeforeTimeout, For: 10 * time.Minute}),
		when("if", spec.When{Phases: []string{"FAILED", "SUCCEEDED"}}, ifTeam),
	}
}

// escalating tells others as well, so long after.
func escalating(after ...time.Duration) func(*spec.Rule) {
	return func(r *spec.Rule) {
		for _, d := range after {
			r.Escalate = append(r.Escalate, spec.Escalation{After: d, Send: []spec.Step{{Kind: "stdout", Destination: json.RawMessage(`{}`)}}})
		}
	}
}

func ifTeam(r *spec.Rule) {
	var err error
	if r.If, err = spec.Compile(`labels["team"] == "ml" && labels["nope"] == ""`); err != nil {
		panic(err)
	}
}

// soakSubscriptions are what the servers go by; the last comes later than the others.
func soakSubscriptions() []spec.Subscription {
	return []spec.Subscription{
		{
			Name: "failures", CatchUp: spec.CatchUpSend, Match: spec.Match{Project: "ml", Domain: "production"},
			Rules: []spec.Rule{when("failed", spec.When{Phases: []string{"FAILED", "TIMED_OUT"}}, every(2*time.Hour, 4), escalating(time.Hour),
				quietly(soakHours().dawn), together(10*time.Minute, 25*time.Minute, "labels.team"))},
		},
		{
			Name: "inside", CatchUp: spec.CatchUpSend, Match: spec.Match{Project: "*", Labels: map[string]string{"team": "m*"}},
			Rules: []spec.Rule{
				when("all", spec.When{Phases: []string{"QUEUED", "RUNNING", "FAILING", "FAILED", "SUCCEEDED", "ABORTED", "TIMED_OUT"}},
					together(2*time.Minute, 15*time.Minute, "launch_plan", "phase", "project")),
				when("gate", spec.When{Kind: spec.WhenGate}), when("limit", spec.When{Kind: spec.WhenBeforeTimeout, For: 5 * time.Minute}),
				when("node", spec.When{Kind: spec.WhenNode, NodeID: "n1", NodePhases: []string{"FAILED", "SUCCEEDED"}}),
				when("long", runningFor(time.Hour), every(30*time.Minute, 2), quietly(soakHours().dawn)), when("queue", spec.When{Kind: spec.WhenQueuedFor, For: 3 * time.Minute}),
			},
		},
		{
			Name: "history", CatchUp: spec.CatchUpSend, Match: spec.Match{Domain: "prod*"},
			Rules: []spec.Rule{
				when("first", spec.When{Kind: spec.WhenFirstFailure}, together(30*time.Second, 5*time.Minute, "reason")),
				when("recovered", spec.When{Kind: spec.WhenRecovered}, quietly(soakHours().night), through("team")),
				when("rate", spec.When{Kind: spec.WhenFailureRate, Rate: &spec.Rate{Of: 6, AtLeast: 4}}),
				when("silent", spec.When{Kind: spec.WhenNoSuccessFor, For: 3 * time.Hour}, quietly(soakHours().dawn)),
			},
		},
		{
			Name: "late", CatchUp: spec.CatchUpDigest, Match: spec.Match{Project: "web", Domain: "production", LaunchPlan: "n*"},
			Rules: []spec.Rule{
				when("first", spec.When{Kind: spec.WhenFirstFailure}, naming), when("recovered", spec.When{Kind: spec.WhenRecovered}, through("team")),
				when("ended", spec.When{Phases: []string{"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}}, naming),
			},
		},
	}
}

// soakQuiet are quiet hours.
type soakQuiet struct {
	night *spec.Quiet // of rules
	dawn  *spec.Quiet
	team  *spec.Quiet // of a connection
}

func soakHours() soakQuiet {
	hours := func(text string) *spec.Quiet {
		q := &spec.Quiet{}
		if err := json.Unmarshal([]byte(text), q); err != nil {
			panic(err)
		}
		return q
	}
	return soakQuiet{
		night: hours(`{"times": ["22:00-00:30", "01:15-02:45"]}`),
		dawn:  hours(`{"times": ["05:00-07:00"], "zone": "Europe/Paris", "days": ["tue", "thu", "sat"]}`),
		team:  hours(`{"times": ["02:30-03:30", "07:00-08:10"]}`),
	}
}

// quietly holds back while these hours last.
func quietly(q *spec.Quiet) func(*spec.Rule) {
	return func(r *spec.Rule) {
		naming(r)
		r.Quiet = q
	}
}

// together makes one message of several.
func together(wait, every time.Duration, by ...string) func(*spec.Rule) {
	return func(r *spec.Rule) {
		naming(r)
		r.Group = &spec.Group{By: by, Wait: wait, Every: every}
	}
}

// through goes through a connection.
func through(connection string) func(*spec.Rule) {
	return func(r *spec.Rule) {
		naming(r)
		r.Send[0].Connection = connection
	}
}

// subscriptions are those of a server that starts now.
func (s *soak) subscriptions() []spec.Subscription {
	all := soakSubscriptions()
	if time.Since(s.begin) < s.end.Sub(s.begin)/3 {
		return all[:len(all)-1]
	}
	if s.late.IsZero() {
		s.late = time.Now().UTC()
	}
	return all
}

// born is when a subscription was.
func (s *soak) born(n int) time.Time {
	if n == len(soakSubscriptions())-1 {
		return s.late
	}
	require.NotEmpty(s.t, s.weather.runs)
	return s.weather.runs[0].from
}

// selects says whether a subscription is of an execution, by what its Match means.
func (s *soak) selects(n int, l *life) bool {
	if b := s.born(n); b.IsZero() || l.created.Before(b.Truncate(time.Microsecond)) {
		return false
	}
	switch n {
	case 0:
		return l.id.Project == "ml"
	case 1:
		return l.team == "ml"
	case 3:
		return l.id.Project == "web" && l.plan == "nightly"
	}
	return true
}
