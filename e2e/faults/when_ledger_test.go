package faults

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

const (
	// obeyed is how soon servers obey a new silence.
	obeyed = 5 * time.Second
	// takenBack is how soon reminders are taken back that nobody wants any more: by another server, maybe.
	takenBack = 2 * moves
)

// untold are those that are to be told and are not at Slack.
func (s *stories) untold() (all []tale) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	for t := range s.due {
		if len(s.posts[t]) == 0 {
			all = append(all, t)
		}
	}
	return all
}

// judged says whether there is a delivery of every execution that may be silenced.
func (s *stories) judged(rows []agentproc.Row) bool {
	n := 0
	for _, r := range rows {
		if _, may := s.hushes[r.Name]; may {
			n++
		}
	}
	return n >= len(s.hushes)
}

// check fails the test unless all that was to be told is at Slack once, and nothing else is. It returns the
// deliveries.
func (s *stories) check() []agentproc.Row {
	c := s.c
	c.t.Helper()
	s.looked = time.Time{}
	require.Empty(c.t, s.untold(), "lost")
	rows, err := c.rows()
	require.NoError(c.t, err)
	kinds := map[string]int{}
	for t, posts := range s.posts {
		require.Len(c.t, posts, 1, "%v is at Slack at %v", t, posts)
		kinds[s.kind(t)]++
	}
	c.t.Logf("at Slack, each once: %v", kinds)
	s.checkMessages(rows)
	return rows
}

// kind is what is told, to count it. It fails the test when nobody wanted it told.
func (s *stories) kind(t tale) string {
	name, _, _ := strings.Cut(t.name, "-")
	_, wanted := s.due[t]
	_, may := s.hushes[t.name]
	require.True(s.c.t, wanted || may || t.rule == "slow" && t.repeat > 0, "%v is told", t)
	switch {
	case t.repeat > 0:
		return "reminders of " + name
	case t.escalate > 0:
		return "escalations of " + name
	case t.rule == "ended":
		return "ends of " + name
	}
	return "first of " + name
}

// occasion is what the key of a delivery says: which reminder it is, if it is one, and whether it is an
// escalation.
func occasion(r agentproc.Row) (count int, escalation bool) {
	parts := strings.Split(r.Key, "|")
	count, _ = strconv.Atoi(parts[len(parts)-2])
	return count, strings.HasPrefix(parts[len(parts)-1], "escalate")
}

// checkReminders has no reminder made or sent of what is over, none left out, and no burst of those that were
// missed.
func (s *stories) checkReminders(rows []agentproc.Row) {
	t := s.c.t
	t.Helper()
	made := map[string]map[int]time.Time{}
	for _, r := range rows {
		count, escalation := occasion(r)
		since, over := s.over[r.Name]
		_, liked := s.liked[r.Name]
		if count == 0 && !escalation || r.Rule == "ended" {
			continue
		}
		require.False(t, over && r.CreatedAt.After(since), "%s was made %s after its execution was over", r.Key, r.CreatedAt.Sub(since))
		require.True(t, r.State == "delivered" || over || liked, "%s is %s: %s", r.Key, r.State, r.LastError)
		if made[r.Name] == nil {
			made[r.Name] = map[int]time.Time{}
		}
		if !escalation {
			made[r.Name][count] = r.CreatedAt
		}
	}
	most := 0
	for name, at := range made {
		most = max(most, len(at))
		require.Equal(t, len(at), slices.Max(slices.Collect(maps.Keys(at))), "reminders of %s: %v", name, at)
		require.False(t, strings.HasPrefix(name, "twice") && len(at) > remindMost, "%s has %d reminders", name, len(at))
		for n := range len(at) - 2 { // two may be close: one is late, the next in time
			require.Greater(t, at[n+3].Sub(at[n+1]), remindEvery, "reminders of %s: %v", name, at)
		}
	}
	ack, reaction := s.late(s.over), s.late(s.liked)
	t.Logf("reminders of %d executions, at most %d of one; the last %s after it was over, or %s after a reaction", len(made), most, ack, reaction)
	require.Less(t, max(ack, reaction), takenBack)
}

// late is how long after those times somebody was reminded of one of the executions, at most.
func (s *stories) late(since map[string]time.Time) (most time.Duration) {
	for what, posts := range s.posts {
		if at, ok := since[what.name]; ok && what.rule != "ended" {
			most = max(most, posts[0].Sub(at))
		}
	}
	return most.Round(time.Millisecond)
}

// checkDigests has every delivery that a digest tells of name one that was delivered.
func (s *stories) checkDigests(rows []agentproc.Row) {
	t := s.c.t
	t.Helper()
	byID := map[string]agentproc.Row{}
	for _, r := range rows {
		byID[r.ID] = r
	}
	digests := map[string]map[string]int{grouped: {}, quiet: {}}
	for _, r := range byID {
		kind, _, _ := strings.Cut(r.Name, "-")
		if digests[kind] == nil {
			continue
		}
		in := r
		if r.State == "superseded" {
			id, _, _ := strings.Cut(strings.TrimPrefix(r.LastError, "told in "), ",")
			in = byID[id]
		}
		require.Equal(t, "delivered", in.State, "%+v", r)
		digests[kind][in.ID]++
	}
	for kind, all := range digests {
		told := 0
		for _, n := range all {
			told += n
		}
		t.Logf("%s: %d messages tell of %d", kind, len(all), told)
		require.Less(t, len(all), told, kind)
	}
}

// overSilence says whether something is told that a silence matched until it was over.
func (s *stories) overSilence() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	for name, ended := range s.hushes {
		if !s.from.IsZero() && ended.After(s.from.Add(silenceFor)) && len(s.posts[tale{name: name, rule: "ended"}]) > 0 {
			return true
		}
	}
	return false
}

// checkSilence has those told that were over before the silence, or began after it, and no others.
func (s *stories) checkSilence(rows []agentproc.Row) {
	t := s.c.t
	t.Helper()
	states := map[string]int{}
	until := s.from.Add(silenceFor)
	for _, r := range rows {
		ended, may := s.hushes[r.Name]
		if !may {
			require.NotEqual(t, "silenced", r.State, r.Key)
			continue
		}
		states[r.State]++
		posts := s.posts[tale{name: r.Name, rule: "ended"}]
		require.Equal(t, r.State == "delivered", len(posts) == 1, "%+v is at Slack %d times", r, len(posts))
		require.False(t, r.State == "silenced" && (r.CreatedAt.After(until) || r.CreatedAt.Before(s.from.Add(-rescue))), "%+v was silenced", r)
		require.False(t, len(posts) == 1 && posts[0].After(s.from.Add(obeyed)) && ended.Before(until.Add(-obeyed)) && posts[0].Before(until.Add(-time.Second)),
			"%+v is at Slack, %s after the silence began", r, posts)
	}
	t.Logf("of %d that a silence matches: %v", len(s.hushes), states)
	require.Len(t, s.hushes, states["delivered"]+states["silenced"])
	require.Positive(t, states["delivered"])
	require.Positive(t, states["silenced"])
}

// checkMessages has every message of Slack be the one of a delivery, and the other way about.
func (s *stories) checkMessages(rows []agentproc.Row) {
	t := s.c.t
	t.Helper()
	at := map[string]bool{}
	for _, r := range rows {
		if r.State == "delivered" {
			at[r.Receipt["channel"]+" "+r.Receipt["ts"]] = true
		} else {
			require.Contains(t, []string{"superseded", "silenced"}, r.State, "%+v", r)
		}
	}
	messages := s.c.slack.Messages("")
	for _, m := range messages {
		require.True(t, at[m.Channel+" "+m.TS], "no delivery has the message: %s", slacksim.Render(m))
	}
	require.Len(t, messages, len(at))
}
