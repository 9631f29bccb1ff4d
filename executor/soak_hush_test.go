package executor_test

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// soakHush is a silence.
type soakHush struct {
	span
	early bool // it is ended by hand, long before it would
	match delivery.SilenceMatch
	of    func(store.Delivery) bool // what it is meant to match
	id    string
}

// hush draws a silence that is over before a time.
func (f fate) hush(at, before time.Time) *soakHush {
	lasts := min(f.between(10*time.Minute, 4*time.Hour), before.Sub(at))
	h := &soakHush{span: span{at, at.Add(lasts)}, early: f.chance(0.3)}
	switch f.IntN(4) {
	case 0:
		h.match.Project, h.match.Name = "ml", "*[0-4]"
		h.of = func(d store.Delivery) bool {
			return d.Execution.Project == "ml" && strings.ContainsAny(d.Execution.Name[max(0, len(d.Execution.Name)-1):], "01234")
		}
	case 1:
		h.match.Rule = "failed"
		h.of = func(d store.Delivery) bool { return d.Rule == "failed" }
	case 2:
		h.match.Name = "f*7"
		h.of = func(d store.Delivery) bool { return strings.HasSuffix(d.Execution.Name, "7") }
	case 3:
		h.match.Project, h.match.Rule = "web", "e*d"
		h.of = func(d store.Delivery) bool { return d.Execution.Project == "web" && d.Rule == "ended" }
	}
	return h
}

// hush makes a silence, from outside of the servers.
func (s *soak) hush(h *soakHush) {
	until := h.to
	if h.early {
		until = until.Add(12 * time.Hour)
	}
	made, err := delivery.AddSilence(s.t.Context(), s.store, delivery.Silence{Match: h.match, Until: until, CreatedAt: h.from})
	require.NoError(s.t, err)
	h.id = made.ID
}

func (s *soak) unhush(h *soakHush) {
	if h.early {
		_, ended, err := delivery.ExpireSilence(s.t.Context(), s.store, h.id, time.Now().UTC())
		require.NoError(s.t, err)
		require.True(s.t, ended)
	}
}

// silenced is how a server that starts now asks for silences: its outbox, which sends nothing here.
func (s *soak) silenced() func(context.Context, store.Delivery) bool {
	registry := notifier.NewRegistry()
	outbox := delivery.New(delivery.Options{
		Store: s.store, Registry: registry, Connections: &notifier.Connections{}, Metrics: prometheus.NewRegistry(), Log: s.log(),
	})
	return outbox.Silenced
}

// hushed says whether a delivery was certainly silenced at a time, and whether it may have been: what a server knows of
// silences may be some seconds old.
func (o *oracle) hushed(d store.Delivery, at time.Time) (surely, maybe bool) {
	const old = 3 * time.Second
	for _, h := range o.hushes {
		if h.of(d) {
			surely = surely || span{h.from.Add(old), h.to}.has(at) && (!h.early || at.Before(h.to))
			maybe = maybe || span{h.from, h.to.Add(old)}.has(at)
		}
	}
	return surely, maybe
}
