package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/pagerdutysim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/pagerduty"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// What the way to PagerDuty does to an event.
const (
	arrives    = 0
	answerLost = 1   // it arrives, and nobody hears so
	refused    = 503 // it surely does not
	unknown    = 500 // it does not, but nobody knows
)

// pager is an outbox that sends to a simulated PagerDuty.
type pager struct {
	*bench
	sim *pagerdutysim.Sim
	way func(execution string, nth int) int // what becomes of the nth event about an execution

	mu  sync.Mutex
	nth map[string]int
}

func onCall(t *testing.T, test func(p *pager)) {
	key := strings.Repeat("k", 32)
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(key), 0o600))
	run(t, nil, func(b *bench) {
		p := &pager{bench: b, sim: pagerdutysim.New(key), nth: map[string]int{}, way: func(string, int) int { return arrives }}
		n, err := pagerduty.New(pagerduty.Config{RoutingKey: notifier.Secret{File: file}}, &http.Client{Transport: p})
		require.NoError(b.t, err)
		b.conns = []*notifier.Connection{{Name: "on-call", Kind: pagerduty.Kind, Notifier: n}}
		test(p)
	})
}

// RoundTrip is the way to PagerDuty.
func (p *pager) RoundTrip(r *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var e pagerdutysim.Event
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	p.mu.Lock()
	name := e.Payload.Source[strings.LastIndexByte(e.Payload.Source, '/')+1:]
	p.nth[name]++
	way := p.way(name, p.nth[name])
	p.mu.Unlock()
	answer := httptest.NewRecorder()
	if way > answerLost {
		answer.WriteHeader(way)
	} else {
		p.sim.ServeHTTP(answer, httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.Path, bytes.NewReader(raw)))
	}
	if way == answerLost {
		return nil, errors.New("connection reset")
	}
	return answer.Result(), nil
}

// begin starts an outbox on the store, or what stands before it.
func (p *pager) begin(s delivery.Store) {
	outbox := delivery.New(delivery.Options{
		Store: s, Registry: notifier.NewRegistry(pagerduty.Manifest()), Connections: notifier.NewConnections(p.conns, nil),
		Config: p.config, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(p.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := outbox.Run(ctx); err != nil {
			p.t.Errorf("run: %v", err)
		}
	})
	p.outbox, p.stop = outbox, func() { cancel(); wg.Wait() }
}

// tell stores what is told of an execution of the launch plan nightly: first_failure or recovered.
func (p *pager) tell(execution, reason string, edits ...func(*store.Delivery)) {
	x := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: execution}
	w, err := p.store.Register(p.t.Context(), store.Watch{ID: "w-" + execution, Kind: store.Follow, State: store.Active, Execution: x, CreatedAt: time.Now().UTC()})
	require.NoError(p.t, err)
	phase := map[string]string{"first_failure": "FAILED", "recovered": "SUCCEEDED"}[reason]
	content, err := render.Content{Data: render.Data{
		Project: "ml", Domain: "production", Name: execution, LaunchPlan: "nightly", Phase: phase, Reason: reason,
	}}.Marshal()
	require.NoError(p.t, err)
	now := time.Now().UTC()
	d := store.Delivery{
		ID: execution, Key: execution, WatchID: w.ID, Execution: x, Rule: "r", Reason: reason, Kind: pagerduty.Kind, Connection: "on-call",
		Address: pagerduty.Kind, Destination: json.RawMessage(`{}`), Content: content, State: store.Pending, NextAt: now, CreatedAt: now,
	}
	for _, edit := range edits {
		edit(&d)
	}
	require.NoError(p.t, p.store.Move(p.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	p.outbox.Wake()
}

// keptBack is told no sooner than it is released.
func keptBack(d *store.Delivery) {
	d.State, d.HeldUntil, d.Bundle = store.Held, d.CreatedAt.Add(time.Hour), "b"
}

// release lets go of what was held back.
func (p *pager) release(id string) {
	require.NoError(p.t, p.store.Write(p.t.Context(), store.Change{At: time.Now().UTC(), Released: []store.Release{{ID: id}}}))
	p.outbox.Wake()
	p.pass(time.Minute)
}

// alerts are the events of each alert, by execution and action.
func (p *pager) alerts() (all []string) {
	for _, a := range p.sim.Alerts() {
		text := "resolved:"
		if a.Open {
			text = "open:"
		}
		for _, e := range a.Events {
			text += " " + e.Payload.Source[strings.LastIndexByte(e.Payload.Source, '/')+1:] + " " + e.Action
		}
		all = append(all, text)
	}
	return all
}

const (
	failure  = "first_failure"
	recovery = "recovered"
)

func TestWhatWasResolvedMeanwhileIsNotOpened(t *testing.T) {
	onCall(t, func(p *pager) {
		p.way = func(execution string, nth int) int {
			if execution == "f1" && nth < 3 {
				return refused
			}
			return arrives
		}
		p.begin(p.store)
		p.tell("f1", failure)
		p.pass(100 * time.Millisecond)
		p.tell("f2", recovery)
		p.pass(time.Hour)
		require.Equal(p.t, store.Delivered, p.get("f2").State)
		require.Equal(p.t, store.Superseded, p.get("f1").State)
		require.Contains(p.t, p.get("f1").LastError, "it is over")
		require.Empty(p.t, p.alerts())

		p.tell("f3", failure)
		p.pass(time.Minute)
		require.Equal(p.t, []string{"open: f3 trigger"}, p.alerts(), "what came later is news")
		p.tell("f4", recovery)
		p.pass(time.Minute)
		require.Equal(p.t, []string{"resolved: f3 trigger f4 resolve"}, p.alerts())
	})
}

func TestAResolveWaitsForATriggerThatMayArrive(t *testing.T) {
	for name, c := range map[string]struct {
		way     int
		alerts  []string
		trigger store.DeliveryState
	}{
		"it did arrive": {answerLost, []string{"resolved: f1 trigger f1 trigger f2 resolve"}, store.Delivered},
		"it did not":    {unknown, []string{"resolved: f1 trigger f2 resolve"}, store.Delivered},
	} {
		t.Run(name, func(t *testing.T) {
			onCall(t, func(p *pager) {
				p.way = func(execution string, nth int) int {
					if execution == "f1" && nth == 1 {
						return c.way
					}
					return arrives
				}
				p.begin(p.store)
				p.tell("f1", failure)
				p.pass(100 * time.Millisecond)
				p.tell("f2", recovery)
				p.pass(time.Minute)
				require.Equal(p.t, c.trigger, p.get("f1").State)
				require.Equal(p.t, c.alerts, p.alerts())
			})
		})
	}
}

// noAnswerTo is a service that never answers what tells of an execution.
func noAnswerTo(one string) func(execution string, nth int) int {
	return func(execution string, _ int) int {
		if execution == one {
			return unknown
		}
		return arrives
	}
}

func TestNobodyWaitsForEverForATriggerThatMayArrive(t *testing.T) {
	onCall(t, func(p *pager) {
		p.way = noAnswerTo("f1")
		p.begin(p.store)
		p.tell("f1", failure)
		p.pass(100 * time.Millisecond)
		p.tell("f2", recovery)
		p.pass(time.Minute)
		require.Equal(p.t, store.Pending, p.get("f2").State)
		p.pass(2 * time.Minute)
		require.Equal(p.t, store.Delivered, p.get("f2").State)
		p.pass(10 * time.Minute)
		require.Equal(p.t, store.Superseded, p.get("f1").State)
	})
}

// TestATriggerThatWasHeldBackIsOverByItsResolve: its rule has quiet hours, and that of the good news has none.
func TestATriggerThatWasHeldBackIsOverByItsResolve(t *testing.T) {
	onCall(t, func(p *pager) {
		p.begin(p.store)
		p.tell("f1", failure, keptBack)
		p.tell("f2", recovery)
		p.pass(time.Hour)
		p.release("f1")
		require.Empty(p.t, p.alerts())
		require.Equal(p.t, store.Superseded, p.get("f1").State)
		p.tell("f3", failure)
		p.tell("f4", recovery, keptBack)
		p.pass(time.Hour)
		p.tell("f5", failure)
		p.pass(time.Minute)
		p.release("f4")
		require.Equal(p.t, []string{"open: f3 trigger f5 trigger"}, p.alerts())
		require.Equal(p.t, store.Superseded, p.get("f4").State, "it was about f3, and f5 has failed since")
	})
}

// halfWritten never writes down what was told, so that it is found with the delivery that told it.
type halfWritten struct{ delivery.Store }

func (h *halfWritten) Write(ctx context.Context, c store.Change) error {
	if len(c.Notes) == 1 && !bytes.Contains(c.Notes[0].Body, []byte(`"holder"`)) {
		return errors.New("no space left")
	}
	return h.Store.Write(ctx, c)
}

// TestALateTriggerIsNoReasonToResolveALaterOne: f1 is told after f3, and what was made between them is over for both.
func TestALateTriggerIsNoReasonToResolveALaterOne(t *testing.T) {
	for name, before := range map[string]func(delivery.Store) delivery.Store{
		"noted": func(s delivery.Store) delivery.Store { return s }, "found": func(s delivery.Store) delivery.Store { return &halfWritten{s} },
	} {
		t.Run(name, func(t *testing.T) {
			onCall(t, func(p *pager) {
				p.way = func(execution string, nth int) int {
					if execution == "f1" && nth == 1 {
						return refused
					}
					return arrives
				}
				p.begin(before(p.store))
				p.tell("f1", failure)
				p.pass(100 * time.Millisecond)
				p.tell("f2", recovery, keptBack)
				p.tell("f3", failure)
				p.pass(10 * time.Minute)
				p.release("f2")
				p.pass(10 * time.Minute)
				require.Equal(p.t, []string{"open: f3 trigger f1 trigger"}, p.alerts())
				require.Equal(p.t, store.Superseded, p.get("f2").State)
				p.tell("f4", recovery)
				p.pass(time.Minute)
				require.Equal(p.t, []string{"resolved: f3 trigger f1 trigger f4 resolve"}, p.alerts())
			})
		})
	}
}

// TestOtherIncidentsGoOn: what one incident waits for is no other's matter.
func TestOtherIncidentsGoOn(t *testing.T) {
	onCall(t, func(p *pager) {
		p.way = noAnswerTo("f1")
		p.begin(p.store)
		p.tell("f1", failure)
		p.pass(100 * time.Millisecond)
		p.tell("f2", recovery)
		p.tell("f3", failure, func(d *store.Delivery) { d.Destination = json.RawMessage(`{"dedup": "execution"}`) })
		p.pass(time.Second)
		require.Equal(p.t, []string{"open: f3 trigger"}, p.alerts())
		require.Equal(p.t, store.Pending, p.get("f2").State)
	})
}
