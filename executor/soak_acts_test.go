package executor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// soakAck is somebody who acknowledges all that was told of an execution.
type soakAck struct {
	life *life
	at   time.Time
	ends int // of how many occurrences he has ended the reminders
}

// plan draws what people do.
func (s *soak) plan() {
	for _, l := range s.lives {
		for range s.fate.IntN(3) {
			if at := l.found.Add(s.fate.between(time.Minute, pick(s.fate, time.Hour, 5*time.Hour))); at.Before(s.over) {
				s.acks = append(s.acks, &soakAck{life: l, at: at})
			}
		}
	}
	for at := s.begin.Add(s.fate.between(0, 2*time.Hour)); at.Before(s.end); at = at.Add(s.fate.between(time.Hour, 8*time.Hour)) {
		s.hushes = append(s.hushes, s.fate.hush(at, s.end))
	}
}

// soakAct is something that happens at its time.
type soakAct struct {
	at time.Time
	do func()
}

// act brings the tasks and aborts some, when their time has come and a server runs.
func (s *soak) act() {
	var acts []soakAct
	for i, task := range s.tasks {
		acts = append(acts, soakAct{task.registered, func() { s.bring(i, task) }})
		if !task.cancelled.IsZero() {
			acts = append(acts, soakAct{task.cancelled, func() {
				s.running()
				task.cancelled = time.Now().UTC().Truncate(time.Microsecond)
				require.NoError(s.t, s.store.Cancel(s.t.Context(), task.watch.ID, 0, "aborted", task.cancelled))
			}})
		}
	}
	inOrder(acts)
}

// people acknowledge and silence, whether or not a server runs.
func (s *soak) people() {
	var acts []soakAct
	for _, ack := range s.acks {
		acts = append(acts, soakAct{ack.at, func() { s.acknowledge(ack) }})
	}
	for _, h := range s.hushes {
		acts = append(acts, soakAct{h.from, func() { s.hush(h) }}, soakAct{h.to, func() { s.unhush(h) }})
	}
	inOrder(acts)
}

func inOrder(acts []soakAct) {
	slices.SortStableFunc(acts, func(a, b soakAct) int { return a.at.Compare(b.at) })
	for _, a := range acts {
		<-time.After(time.Until(a.at))
		a.do()
	}
}

// bring registers a task as the agent does.
func (s *soak) bring(n int, task *soakTask) {
	exec := s.running()
	custom, err := json.Marshal(spec.Task{Rules: task.rules})
	require.NoError(s.t, err)
	task.registered = time.Now().UTC()
	w := store.Watch{
		ID: store.NewID("w", fmt.Sprint("task ", n)), Kind: store.Follow, State: store.Active,
		Execution: task.life.id, Own: task.life.id, Custom: custom, CreatedAt: task.registered,
	}
	if task.own != nil {
		w.Own, w.Wait = task.own.id, true
	}
	task.watch, err = s.store.Register(s.t.Context(), w)
	require.NoError(s.t, err)
	if n%5 > 0 { // else the server died before
		exec.Wake(task.watch)
	}
}

// acknowledge does so from outside of the servers, as the command does.
func (s *soak) acknowledge(ack *soakAck) {
	for {
		ack.at = time.Now().UTC()
		n, err := executor.Acknowledge(s.t.Context(), s.store, ack.life.id, ack.at)
		if !errors.Is(err, store.ErrConflict) {
			require.NoError(s.t, err)
			ack.ends = n
			break
		}
	}
	s.mu.Lock()
	seen := s.seen
	s.mu.Unlock()
	if seen != nil {
		seen.forget()
	}
}

// acknowledged is when somebody acknowledged what was told at a time; forever: nobody did.
func (a *account) acknowledged(told time.Time) time.Time {
	at := forever
	for _, ack := range a.acks {
		if ack.life == a.life && ack.at.After(told) && ack.at.Before(at) {
			at = ack.at
		}
	}
	return at
}
