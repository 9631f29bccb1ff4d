package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

const (
	// silenceFor is how long somebody silences executions.
	silenceFor = 12 * time.Second
	// lookEvery is between looks at what Slack has.
	lookEvery = 200 * time.Millisecond
)

// stories are executions of every kind, and what is told of them.
type stories struct {
	c    *cluster
	work sync.WaitGroup
	ctx  context.Context // executions begin until it ends
	halt context.CancelFunc

	mu     sync.Mutex
	looked time.Time
	read   int // messages of Slack that were looked at
	latest map[tale]slacksim.Message
	posts  map[tale][]time.Time // at Slack
	due    map[tale]time.Time   // to be told once, and since when
	over   map[string]time.Time // executions of which no reminder may be made from then on
	liked  map[string]time.Time // executions with a reaction at Slack, and since when
	hushes map[string]time.Time // executions that a silence may be about, and when they ended
	from   time.Time            // of the silence; zero before there is one
	finish []func()             // end what still runs
	errs   []error
}

func (c *cluster) stories() *stories {
	ctx, halt := context.WithCancel(c.ctx)
	c.t.Cleanup(halt)
	return &stories{
		c: c, ctx: ctx, halt: halt, latest: map[tale]slacksim.Message{}, posts: map[tale][]time.Time{}, due: map[tale]time.Time{},
		over: map[string]time.Time{}, liked: map[string]time.Time{}, hushes: map[string]time.Time{},
	}
}

// begin begins executions of every kind, all the time.
func (s *stories) begin() {
	each(s.ctx, &s.work, 1, s.lasts)
	each(s.ctx, &s.work, 4, func(i int) { s.ends(grouped, fmt.Sprintf("group-%d", i%groups), 1, i) })
	each(s.ctx, &s.work, 1, func(i int) { s.ends(quiet, "train", i%4, i) })
	each(s.ctx, &s.work, 4, func(i int) { s.ends(fmt.Sprintf("%s-%d", plain, i%scopes), "train", i, i) })
	each(s.ctx, &s.work, 2, s.hushing)
	each(s.ctx, &s.work, 1, func(i int) { s.end(s.run(unselected, fmt.Sprintf("unselected-%d", i), "train", i)) })
}

// older are executions that run when no server knows a subscription yet.
func (s *stories) older() {
	for i := range scopes {
		for _, project := range []string{subscribed, grouped, quiet, hushed, fmt.Sprintf("%s-%d", plain, i)} {
			id := s.run(project, fmt.Sprintf("old-%s-%d", project, i), "train", i)
			s.finish = append(s.finish, func() { s.end(id) })
		}
	}
}

// run begins an execution of which is told in the i-th channel.
func (s *stories) run(project, name, workflow string, i int) flyte.ExecutionID {
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: project, Domain: "production"}, Name: name}
	s.c.flyte.Create(flytesim.Execution{ID: id, Workflow: workflow, User: "alice", Labels: map[string]string{"channel": channel(i)}})
	s.c.flyte.SetPhase(id, "RUNNING")
	return id
}

// end ends an execution, whose end is to be told as these.
func (s *stories) end(id flyte.ExecutionID, all ...tale) {
	s.expect(all...)
	s.c.flyte.SetPhase(id, []string{"SUCCEEDED", "FAILED"}[rand.IntN(2)])
}

// ends lives for a moment.
func (s *stories) ends(project, workflow string, in, i int) {
	id := s.run(project, fmt.Sprintf("%s-run-%d", project, i), workflow, in)
	s.moment()
	s.end(id, tale{name: id.Name, rule: "ended"})
}

// moment is how long an execution lives that does not last.
func (s *stories) moment() {
	select {
	case <-time.After(rand.N(2 * time.Second)):
	case <-s.c.ctx.Done():
	}
}

// hushing lives for a moment, and may be silenced if it is an even one.
func (s *stories) hushing(i int) {
	name := fmt.Sprintf("hush-%d", i)
	if i%2 == 1 {
		name = fmt.Sprintf("loud-%d", i)
	}
	id := s.run(hushed, name, "train", i)
	s.moment()
	if i%2 == 1 {
		s.end(id, tale{name: name, rule: "ended"})
		return
	}
	s.mu.Lock()
	s.hushes[name] = time.Now()
	s.mu.Unlock()
	s.end(id)
}

// silences silences some executions for a while, some time from now.
func (s *stories) silences(after time.Duration) {
	s.work.Go(func() {
		<-time.After(after)
		_, err := s.c.clerk.Run("silence", "--project", hushed, "--domain", "production", "--name", "hush-*", "--for", silenceFor.String())
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.from = time.Now(); err != nil {
			s.errs = append(s.errs, err)
		}
	})
}

// lasts lives until somebody was reminded of it several times. Then it is acknowledged, or ends, or goes on
// without more reminders, since they have a limit.
func (s *stories) lasts(i int) {
	name := fmt.Sprintf([]string{"slow-acked-%d", "slow-ended-%d", "slow-liked-%d", "twice-%d"}[i%4], i)
	project := []string{tasked, subscribed}[i/4%2]
	rule, _, _ := strings.Cut(name, "-")
	id := s.run(project, name, "train", i)
	if project == tasked {
		if _, err := s.c.caller.create(s.c.ctx, id, object{"rules": lasting()}); err != nil {
			s.fail(err)
			return
		}
	}
	messages := []tale{{name, rule, 0, 0}, {name, rule, 1, 0}, {name, rule, 2, 0}}
	if rule == "slow" {
		messages = append(messages, tale{name, rule, 0, 1})
	}
	s.expect(messages...)
	if _, ok := s.c.wait(2*rescue, func() bool { return s.told(messages...) }); !ok {
		s.fail(fmt.Errorf("nobody is reminded of %s", name))
	}
	switch i % 4 {
	case 0:
		if _, err := s.c.clerk.Run("ack", id.String()); err != nil {
			s.fail(err)
		}
		s.remindNoMore(name, time.Now())
	case 1:
		s.end(id, tale{name: name, rule: "ended"})
		s.remindNoMore(name, time.Now().Add(time.Second)) // it was read before, maybe
		return
	case 2:
		s.like(messages[0])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish = append(s.finish, func() { s.end(id, tale{name: name, rule: "ended"}) })
}

// like puts a reaction on a message.
func (s *stories) like(t tale) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.latest[t]
	if code := s.c.slack.React(m.Channel, m.TS, "U1", "eyes"); code != "" {
		s.errs = append(s.errs, fmt.Errorf("react to %v: %s", t, code))
	}
	s.liked[t.name] = time.Now()
}

func (s *stories) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

func (s *stories) remindNoMore(name string, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over[name] = since
}

// expect says that these are to be told once.
func (s *stories) expect(all ...tale) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range all {
		s.due[t] = time.Now()
	}
}

// told says whether all of these are at Slack.
func (s *stories) told(all ...tale) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	for _, t := range all {
		if len(s.posts[t]) == 0 {
			return false
		}
	}
	return true
}

// look reads what is new at Slack, now and then.
func (s *stories) look() {
	if time.Since(s.looked) < lookEvery {
		return
	}
	s.looked = time.Now()
	for _, m := range s.c.slack.Messages("")[s.read:] {
		s.read++
		for _, t := range tells(slacksim.Render(m)) {
			s.posts[t], s.latest[t] = append(s.posts[t], m.Posted), m
		}
	}
}

// caughtUp says whether all is told that happened in that time to executions that end.
func (s *stories) caughtUp(from, until time.Time) bool {
	var all []tale
	s.mu.Lock()
	for t, at := range s.due {
		if strings.HasPrefix(t.name, plain) && at.After(from) && at.Before(until) {
			all = append(all, t)
		}
	}
	s.mu.Unlock()
	return len(all) > 0 && s.told(all...)
}

// settled begins nothing more, ends what runs, and waits, at most as long, until all is told.
func (s *stories) settled(within time.Duration) {
	c := s.c
	c.t.Helper()
	s.halt()
	begun := time.Now()
	s.work.Wait()
	c.t.Logf("what was begun has come to its end %s after the last of it", time.Since(begun).Round(time.Millisecond))
	require.Empty(c.t, s.errs)
	for _, end := range s.finish {
		end()
	}
	s.awaitSettled(within)
}

// awaitSettled waits, at most as long, until all is told and nothing is pending. Then it stops the servers, so that
// every count is final.
func (s *stories) awaitSettled(within time.Duration) {
	c := s.c
	c.t.Helper()
	took, ok := c.wait(within, func() bool {
		rows, err := c.rows()
		return err == nil && len(pending(rows)) == 0 && len(s.untold()) == 0 && s.judged(rows)
	})
	c.t.Logf("settled %s after the end", took.Round(time.Millisecond))
	if !ok {
		rows, err := c.rows()
		c.t.Errorf("not told: %v, still pending: %+v, %v", s.untold(), pending(rows), err)
	}
	c.stopAll()
}
