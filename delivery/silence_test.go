package delivery_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// noon is when these tests take place.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// silence is one of all of a project's production, for an hour.
func silence(edits ...func(*delivery.Silence)) delivery.Silence {
	s := delivery.Silence{
		Match: delivery.SilenceMatch{Project: "ml", Domain: "production"}, CreatedAt: noon, Until: noon.Add(time.Hour), By: "ann", Comment: "new cluster",
	}
	for _, edit := range edits {
		edit(&s)
	}
	return s
}

func TestWhatASilenceMatches(t *testing.T) {
	t.Parallel()
	content, err := render.Content{Data: render.Data{Workflow: "flows.train", LaunchPlan: "nightly/eu", User: "bob"}}.Marshal()
	require.NoError(t, err)
	d := store.Delivery{
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "f7k2"}, Rule: "failed", Content: content,
	}
	unreadable, bare := d, d
	unreadable.Content, bare.Content = json.RawMessage(`{`), json.RawMessage(`{}`)
	for name, tc := range map[string]struct {
		match delivery.SilenceMatch
		of    store.Delivery
		want  bool
	}{
		"scope":                   {delivery.SilenceMatch{Project: "ml", Domain: "production"}, d, true},
		"another project":         {delivery.SilenceMatch{Project: "m", Domain: "production"}, d, false},
		"another domain":          {delivery.SilenceMatch{Project: "ml", Domain: "staging"}, d, false},
		"globs":                   {delivery.SilenceMatch{Project: "m?", Domain: "prod*", Name: "f[0-9]*"}, d, true},
		"another name":            {delivery.SilenceMatch{Project: "ml", Domain: "production", Name: "f7k"}, d, false},
		"rule":                    {delivery.SilenceMatch{Rule: "fail*"}, d, true},
		"another rule":            {delivery.SilenceMatch{Rule: "slow"}, d, false},
		"workflow":                {delivery.SilenceMatch{Workflow: "*.train"}, d, true},
		"another workflow":        {delivery.SilenceMatch{Workflow: "train"}, d, false},
		"launch plan with /":      {delivery.SilenceMatch{LaunchPlan: "nightly*"}, d, true},
		"another launch plan":     {delivery.SilenceMatch{LaunchPlan: "weekly*"}, d, false},
		"user":                    {delivery.SilenceMatch{User: "bob"}, d, true},
		"another user":            {delivery.SilenceMatch{User: "ann"}, d, false},
		"all of it":               {delivery.SilenceMatch{Project: "ml", Domain: "*", Name: "f*", Workflow: "*train", LaunchPlan: "*", Rule: "failed", User: "b*"}, d, true},
		"all but one":             {delivery.SilenceMatch{Project: "ml", Domain: "*", Name: "f*", Workflow: "*train", LaunchPlan: "*", Rule: "failed", User: "c*"}, d, false},
		"everything":              {delivery.SilenceMatch{Project: "*", Domain: "*"}, store.Delivery{}, true},
		"facts that are unknown":  {delivery.SilenceMatch{Workflow: "flows.*"}, bare, false},
		"unreadable, not needed":  {delivery.SilenceMatch{Project: "ml"}, unreadable, true},
		"unreadable, but needed":  {delivery.SilenceMatch{Project: "ml", User: "*"}, unreadable, false},
		"a malformed one, if any": {delivery.SilenceMatch{Project: "[m"}, d, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, tc.match.Matches(&tc.of))
		})
	}
}

func TestTheLifeOfASilence(t *testing.T) {
	t.Parallel()
	atOnce := silence()
	later := silence(func(s *delivery.Silence) { s.From = noon.Add(30 * time.Minute) })
	for _, tc := range []struct {
		of   delivery.Silence
		at   time.Duration
		want delivery.SilenceState
	}{
		{atOnce, -time.Minute, delivery.SilenceActive}, // a server whose clock is behind obeys as well
		{atOnce, time.Hour - 1, delivery.SilenceActive},
		{atOnce, time.Hour, delivery.SilenceExpired},
		{later, 30*time.Minute - 1, delivery.SilencePending},
		{later, 30 * time.Minute, delivery.SilenceActive},
		{later, time.Hour, delivery.SilenceExpired},
	} {
		require.Equal(t, tc.want, tc.of.State(noon.Add(tc.at)), "%s", tc.at)
	}
}

func TestSilencesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	db := open(t)
	for want, edit := range map[string]func(*delivery.Silence){
		"it has no pattern":                                   func(s *delivery.Silence) { s.Match = delivery.SilenceMatch{} },
		`malformed pattern "[a" of launch_plan`:               func(s *delivery.Silence) { s.Match.LaunchPlan = "[a" },
		"its end 2026-11-22T13:00:00Z is not after its begin": func(s *delivery.Silence) { s.From = s.Until },
		"its end 2026-11-22T12:00:00Z is over already":        func(s *delivery.Silence) { s.Until = noon },
		"may have 500 characters":                             func(s *delivery.Silence) { s.Comment = strings.Repeat("ä", 501) },
		"and who made it may have 500 characters":             func(s *delivery.Silence) { s.By = strings.Repeat("ä", 501) },
	} {
		_, err := delivery.AddSilence(t.Context(), db, silence(edit))
		require.ErrorContains(t, err, want)
	}
	all, err := delivery.Silences(t.Context(), db)
	require.NoError(t, err)
	require.Empty(t, all)
	_, err = delivery.AddSilence(t.Context(), db, silence(func(s *delivery.Silence) { s.Comment = strings.Repeat("ä", 500) }))
	require.NoError(t, err)
}

func TestSilencesAreKeptUntilTheyArePurged(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	made := map[string]delivery.Silence{}
	for i := range 1100 { // more than are read at once
		s, err := delivery.AddSilence(ctx, db, silence(func(s *delivery.Silence) { s.Comment = fmt.Sprint(i) }))
		require.NoError(t, err)
		made[s.ID] = s
	}
	require.Len(t, made, 1100)
	all, err := delivery.Silences(ctx, db)
	require.NoError(t, err)
	require.Len(t, all, len(made))
	for _, s := range all {
		require.Equal(t, made[s.ID], s)
	}

	first, second := all[0].ID, all[1].ID
	early := noon.Add(time.Minute)
	s, ended, err := delivery.ExpireSilence(ctx, db, first, early)
	require.NoError(t, err)
	require.True(t, ended)
	require.Equal(t, early, s.Until)
	s, ended, err = delivery.ExpireSilence(ctx, db, first, early.Add(time.Minute))
	require.NoError(t, err)
	require.False(t, ended, "once only")
	require.Equal(t, early, s.Until)
	_, _, err = delivery.ExpireSilence(ctx, db, "gone", early)
	require.ErrorIs(t, err, store.ErrNotFound)

	require.NoError(t, delivery.PurgeSilences(ctx, db, early, early))
	all, err = delivery.Silences(ctx, db)
	require.NoError(t, err)
	require.Len(t, all, len(made)-1)
	require.Equal(t, second, all[0].ID, "only what expired before has gone")
	require.NoError(t, delivery.PurgeSilences(ctx, db, noon.Add(time.Hour), noon.Add(time.Hour)))
	all, err = delivery.Silences(ctx, db)
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestASilenceThatCannotBeReadSpoilsNoOther(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	good, err := delivery.AddSilence(ctx, db, silence())
	require.NoError(t, err)
	require.NoError(t, db.Write(ctx, store.Change{Notes: []store.Note{{Kind: "silence", Key: "bad", Body: json.RawMessage(`[]`)}}}))
	all, err := delivery.Silences(ctx, db)
	require.ErrorIs(t, err, delivery.ErrUnreadable)
	require.ErrorContains(t, err, "bad")
	require.Equal(t, []delivery.Silence{good}, all)
	_, _, err = delivery.ExpireSilence(ctx, db, "bad", noon)
	require.ErrorIs(t, err, delivery.ErrUnreadable)
}

func open(t *testing.T) *sqlite.Store {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "notifier.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
