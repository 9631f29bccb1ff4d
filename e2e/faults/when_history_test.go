package faults

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
)

const (
	launchPlans = 8
	history     = "history"       // the projects of launch plans begin so
	missedAfter = 4 * time.Second // without a success
	// onTime is how far a server and its clock may be off where a success comes just in time.
	onTime = 500 * time.Millisecond
)

// historyRules tell of what only the executions of a launch plan together say.
func historyRules() list {
	missing := object{"title": `[{{.LaunchPlan}}-{{.History.LastSuccess | date "150405" "UTC"}}] missing 0 0`}
	return list{
		ended(object{}),
		ended(object{"name": "first", "when": object{"first_failure": true}}),
		ended(object{"name": "recovered", "when": object{"recovered": true}}),
		object{
			"name": "missing", "when": object{"no_success_for": missedAfter.String()}, "message": missing,
			"send": list{object{"slack": object{"channel": "#" + channel(0)}}},
		},
	}
}

// plan is a launch plan, of which one execution runs at a time.
type plan struct {
	s         *stories
	name      string
	runs      int
	failing   bool
	successes []time.Time
}

// Launch plans fail and recover, and sometimes do not succeed for long, while servers are killed at random: each
// of it is told once.
func TestHistoriesWhileServersAreKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, pgtest.Database(t), subscribe(list{object{
		"name": history, "match": object{"project": history + "*", "domain": "production"}, "catch_up": "send", "rules": historyRules(),
	}}))
	c.slack.Fail("chat.postMessage", slackTakes)
	s := c.stories()
	var plans []*plan
	for i := range launchPlans {
		plans = append(plans, &plan{s: s, name: fmt.Sprintf("chain-%d", i)})
		s.end(s.run(fmt.Sprintf("%s-%d", history, i%scopes), fmt.Sprintf("old-%d", i), "train", i)) // so that the project is there
	}
	c.start(3)
	over := make(chan struct{})
	var work sync.WaitGroup
	for i, p := range plans {
		work.Go(func() { p.live(i, over) })
	}
	c.killAtRandom(*chaos*3/5, killEvery/2)
	close(over)
	work.Wait()
	require.Empty(t, s.errs)
	for _, p := range plans {
		p.expectMissing()
	}
	s.awaitSettled(rescue)
	s.checkHistory(plans)
}

// live has executions fail and succeed, one after the other, and at last succeed.
func (p *plan) live(i int, over <-chan struct{}) {
	for fails := false; ; fails = rand.IntN(2) == 0 {
		if !p.execution(i, fails) {
			return
		}
		select {
		case <-over:
			p.execution(i, false)
			return
		default:
		}
	}
}

// execution fails or succeeds, and returns once that is told: so no end is seen before an earlier one.
func (p *plan) execution(i int, fails bool) (ok bool) {
	s := p.s
	id := flyte.ExecutionID{
		Scope: flyte.Scope{Project: fmt.Sprintf("%s-%d", history, i%scopes), Domain: "production"}, Name: fmt.Sprintf("%s-run-%d", p.name, p.runs),
	}
	p.runs++
	s.c.flyte.Create(flytesim.Execution{ID: id, Workflow: "train", LaunchPlan: p.name, Labels: map[string]string{"channel": channel(i)}})
	s.moment()
	all := []tale{{name: id.Name, rule: "ended"}}
	phase, at := "SUCCEEDED", time.Now().UTC()
	switch {
	case fails && !p.failing:
		all = append(all, tale{name: id.Name, rule: "first"})
	case !fails && p.failing:
		all = append(all, tale{name: id.Name, rule: "recovered"})
	}
	if p.failing = fails; fails {
		phase = "FAILED"
	} else {
		p.successes = append(p.successes, at)
	}
	s.expect(all...)
	s.c.flyte.SetPhase(id, phase, flytesim.At(at))
	if _, ok = s.c.wait(2*rescue, func() bool { return s.told(all...) }); !ok {
		s.fail(fmt.Errorf("%v are not told", all))
	}
	return ok
}

// missing is what is told when there was no success for long since that one.
func (p *plan) missing(success time.Time) tale {
	return tale{name: p.name + success.Format("-150405"), rule: "missing"}
}

// expectMissing expects that the plan is missed after its last success, and after others that no success followed for
// so long that some server was there to tell.
func (p *plan) expectMissing() {
	for i, at := range p.successes {
		if i == len(p.successes)-1 || p.successes[i+1].Sub(at) > missedAfter+2*moves {
			p.s.expect(p.missing(at))
		}
	}
}

// checkHistory fails the test unless all is told once, and no launch plan was missed that was not.
func (s *stories) checkHistory(plans []*plan) {
	t := s.c.t
	t.Helper()
	missed := map[tale]bool{}
	for _, p := range plans {
		for i, at := range p.successes {
			if i == len(p.successes)-1 || p.successes[i+1].Sub(at) > missedAfter-onTime {
				missed[p.missing(at)] = true
			}
		}
	}
	kinds := map[string]int{}
	for what, posts := range s.posts {
		require.Len(t, posts, 1, "%v", what)
		_, due := s.due[what]
		require.True(t, due || missed[what], "%v is told", what)
		kinds[what.rule]++
	}
	t.Logf("at Slack, each once: %v", kinds)
	for _, kind := range []string{"ended", "first", "recovered", "missing"} {
		require.Positive(t, kinds[kind], kind)
	}
	rows, err := s.c.rows()
	require.NoError(t, err)
	s.checkMessages(rows)
}
