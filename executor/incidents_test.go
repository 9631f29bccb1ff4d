package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/internal/pagerdutysim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/pagerduty"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// inProcess answers requests without a network.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	p.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// pages sends what is Pending to a PagerDuty, in the order in which it was made, and returns the alerts.
func (b *bench) pages(file string) (all []string) {
	sim := pagerdutysim.New(strings.Repeat("k", 32))
	n, err := pagerduty.New(pagerduty.Config{RoutingKey: notifier.Secret{File: file}}, &http.Client{Transport: inProcess{sim}})
	require.NoError(b.t, err)
	for _, d := range b.deliveries() {
		if d.State != store.Pending {
			continue
		}
		m, err := render.Message(content(b.t, d), d.ID)
		require.NoError(b.t, err)
		_, err = n.Send(b.t.Context(), &pagerduty.Destination{}, m)
		require.NoError(b.t, err)
	}
	for _, a := range sim.Alerts() {
		all = append(all, fmt.Sprintf("%s %t", strings.TrimPrefix(a.DedupKey, "flyte/ml/production/"), a.Open))
	}
	return all
}

// onCall is a rule that pages.
func onCall(name string, w spec.When, edits ...func(*spec.Rule)) spec.Rule {
	return when(name, w, append(edits, func(r *spec.Rule) {
		r.Send = []spec.Step{{Kind: pagerduty.Kind, Connection: "on-call", Destination: json.RawMessage(`{}`)}}
	})...)
}

// TestIncidentsAreNotPutTogether: what is held back comes to as many incidents as if it were not, and those that are
// over are closed.
func TestIncidentsAreNotPutTogether(t *testing.T) {
	var night spec.Span
	require.NoError(t, night.UnmarshalText([]byte("22:00-00:30")))
	for name, c := range map[string]struct {
		edit    func(*spec.Rule)
		catchUp string
		outage  bool
	}{
		"quiet hours":           {edit: func(r *spec.Rule) { r.Quiet = &spec.Quiet{Times: []spec.Span{night}} }, catchUp: spec.CatchUpSend},
		"a group":               {edit: func(r *spec.Rule) { r.Group = &spec.Group{Wait: 5 * time.Minute, Every: 5 * time.Minute} }, catchUp: spec.CatchUpSend},
		"after an outage":       {edit: func(*spec.Rule) {}, catchUp: spec.CatchUpDigest, outage: true},
		"none of these":         {edit: func(*spec.Rule) {}, catchUp: spec.CatchUpSend},
		"quiet after an outage": {edit: func(r *spec.Rule) { r.Quiet = &spec.Quiet{Times: []spec.Span{night}} }, catchUp: spec.CatchUpDigest, outage: true},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key")
			require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("k", 32)), 0o600))
			run(t, func(b *bench) {
				midnight := time.Now() // where a bubble's clock begins, UTC
				b.stop()
				b.exec, b.stop = b.execute(func(o *executor.Options) { o.Registry = notifier.NewRegistry(pagerduty.Manifest()) })
				sub := to("pages",
					onCall("first", spec.When{Kind: spec.WhenFirstFailure}, c.edit), onCall("recovered", spec.When{Kind: spec.WhenRecovered}, c.edit),
					onCall("failed", spec.When{Phases: []string{"FAILED"}}, c.edit))
				sub.CatchUp = c.catchUp
				b.subscribe(sub)
				if c.outage {
					b.admin.set("a", "RUNNING", of("nightly"), started)
					b.admin.set("b", "RUNNING", of("nightly"), started)
					b.admin.set("c", "RUNNING", of("nightly"), started)
					b.admin.set("d", "RUNNING", of("weekly"), started)
					b.rounds(2)
					b.admin.fail(errors.New("down"))
				}
				for _, x := range []struct{ name, phase, plan string }{{"a", "FAILED", "nightly"}, {"b", "SUCCEEDED", "nightly"}, {"c", "SUCCEEDED", "nightly"}, {"d", "FAILED", "weekly"}} {
					if c.outage {
						b.admin.set(x.name, x.phase, ends)
					} else {
						b.admin.set(x.name, x.phase, of(x.plan), started, ends)
					}
					b.pass(time.Minute)
				}
				if c.outage {
					b.pass(16 * time.Minute)
					b.admin.fail(nil)
				}
				b.pass(time.Until(midnight.Add(35 * time.Minute)))
				for _, d := range b.deliveries() {
					require.Equal(b.t, store.Pending, d.State, d.Reason)
				}
				require.ElementsMatch(b.t, []string{"launch_plan/nightly false", "launch_plan/weekly true", "a true", "d true"}, b.pages(file))
			})
		})
	}
}

// releases is a store that notes what is released.
type releases struct {
	executor.Store
	ids []string
}

func (r *releases) Write(ctx context.Context, c store.Change) error {
	for _, one := range c.Released {
		r.ids = append(r.ids, one.ID)
	}
	return r.Store.Write(ctx, c)
}

// TestWhatOpensIsReleasedBeforeWhatResolves: bundles of one time come in the order in which they were made.
func TestWhatOpensIsReleasedBeforeWhatResolves(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		until := time.Now().UTC().Add(time.Minute)
		c := store.Change{At: time.Now().UTC()}
		var want []string
		for i := range 20 {
			d := heldBack(b.t, i, store.NewID("b", fmt.Sprint("key ", i)), until)
			c.Deliveries, want = append(c.Deliveries, d), append(want, d.ID)
		}
		require.NoError(b.t, b.store.Write(b.t.Context(), c))
		released := &releases{Store: b.store}
		b.exec, b.stop = b.execute(func(o *executor.Options) { o.Store = released })
		b.pass(2 * time.Minute)
		require.Equal(b.t, want, released.ids)
	})
}
