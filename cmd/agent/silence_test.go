package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// silence makes one with the command, and returns its id and what was printed after it.
func (w *world) silence(args ...string) (id, text string) {
	w.t.Helper()
	got := w.on("silence", args...)
	require.Equal(w.t, 0, got.code, got.stderr)
	id, text, found := strings.Cut(strings.TrimSuffix(got.stdout, "\n"), " ")
	require.True(w.t, found, got.stdout)
	return id, text
}

// silences runs a subcommand of silence on the config.
func (w *world) silences(name string, args ...string) result {
	w.t.Helper()
	return command(w.t, append([]string{"silence", name, "--config", w.config}, args...)...)
}

func TestSilencesAreMadeListedAndExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := time.Now().Truncate(time.Second)
	first, text := w.silence("--project", "ml", "--domain", "prod*", "--workflow", "*train", "--for", "90m", "--by", "ann", "--comment", "new\ncluster")
	until, found := strings.CutPrefix(text, "silences project=ml domain=prod* workflow=*train until ")
	require.True(t, found, text)
	end, err := time.Parse(time.RFC3339, until)
	require.NoError(t, err)
	require.False(t, end.Before(before.Add(90*time.Minute)))
	require.WithinDuration(t, before.Add(90*time.Minute), end, patience)
	second, text := w.silence("--all", "--name", "f*", "--launch-plan", "nightly", "--rule", "failed", "--user", "bob",
		"--from", "2126-11-23T06:00:00+02:00", "--until", "2126-11-23T06:00:00Z")
	require.Equal(t, "silences project=* domain=* name=f* launch_plan=nightly rule=failed user=bob from 2126-11-23T04:00:00Z until 2126-11-23T06:00:00Z", text)
	third, text := w.silence("--project", "ml", "--domain", "production", "--for", "1h", "--from", "2126-11-23T06:00:00Z")
	require.Contains(t, text, " until 2126-11-23T07:00:00Z", "--for counts from --from")

	got := w.silences("expire", first, "gone", third)
	require.Equal(t, 1, got.code)
	require.Equal(t, first+" has expired\n"+third+" has expired\n", got.stdout)
	require.Equal(t, "flyte-notifier: not expired: gone is unknown\n", got.stderr)
	got = w.silences("expire", first)
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, first+" had expired already, at ")

	current := lines(t, w.silences("list", "--json").stdout)
	require.Len(t, current, 1)
	require.Equal(t, map[string]any{
		"id": second, "state": "pending", "project": "*", "domain": "*", "name": "f*", "launch_plan": "nightly", "rule": "failed", "user": "bob",
		"from": "2126-11-23T04:00:00Z", "until": "2126-11-23T06:00:00Z", "by": os.Getenv("USER"), "comment": "", "created_at": current[0]["created_at"],
	}, current[0])
	require.Len(t, lines(t, w.silences("list", "--json", "--all").stdout), 3)

	got = w.silences("list", "--all")
	require.Equal(t, 0, got.code, got.stderr)
	require.NotContains(t, got.stdout, "\x1b")
	require.Len(t, strings.Split(strings.TrimSpace(got.stdout), "\n"), 4, "one line a row, whatever texts hold")
	for line := range strings.Lines(got.stdout) {
		if strings.HasPrefix(line, first) {
			require.Equal(t, []string{first, "expired", "project=ml", "domain=prod*", "workflow=*train"}, strings.Fields(line)[:5])
			require.True(t, strings.HasSuffix(line, "ann  new cluster\n"), line)
		}
	}
}

func TestSilencesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scope := []string{"--project", "ml", "--domain", "production"}
	for want, args := range map[string][]string{
		"--project and --domain are required, or --all":            {"--project", "ml", "--for", "1h"},
		"--all stands for every project and domain":                {"--all", "--domain", "production", "--for", "1h"},
		"--name: must not be empty":                                append([]string{"--for", "1h", "--name", ""}, scope...),
		"either --for or --until is required":                      scope,
		"--for: must be longer than 0, not -1h0m0s":                append([]string{"--for", "-1h"}, scope...),
		`invalid argument "soon" for "--for"`:                      append([]string{"--for", "soon"}, scope...),
		`--until: must be a time such as`:                          append([]string{"--until", "tomorrow"}, scope...),
		`--from: must be a time such as`:                           append([]string{"--for", "1h", "--from", "06:00"}, scope...),
		"its end 2021-01-01T00:00:00Z is over already":             append([]string{"--until", "2021-01-01T00:00:00Z"}, scope...),
		"is not after its beginning 2126-01-02T00:00:00Z":          append([]string{"--from", "2126-01-02T00:00:00Z", "--until", "2126-01-01T00:00:00Z"}, scope...),
		`this is no silence: malformed pattern "[a" of workflow`:   append([]string{"--for", "1h", "--workflow", "[a"}, scope...),
		"its comment and who made it may have 500 characters each": append([]string{"--for", "1h", "--comment", strings.Repeat("x", 501)}, scope...),
		`unknown command "lst"`:                                    {"lst"},
	} {
		got := w.on("silence", args...)
		require.Equal(t, 2, got.code, "%s%s", got.stdout, got.stderr)
		require.Contains(t, got.stderr, want)
		require.Empty(t, got.stdout)
	}
	both := w.on("silence", append([]string{"--for", "1h", "--until", "2126-01-01T00:00:00Z"}, scope...)...)
	require.Equal(t, 2, both.code)
	require.Equal(t, 2, w.silences("expire").code)
	require.Empty(t, w.silences("list", "--json", "--all").stdout, "none was made")
}

// insert stores a message of an execution, for a server to send.
func (w *world) insert(id string) {
	w.t.Helper()
	db, err := sqlite.Open(w.t.Context(), filepath.Join(w.dir, "notifier.db"))
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	now := time.Now().UTC()
	x := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "f7k2"}
	require.NoError(w.t, db.Write(w.t.Context(), store.Change{At: now, Deliveries: []store.Delivery{{
		ID: id, Key: id, WatchID: "w1", Execution: x, Rule: "failed", Reason: "phase:FAILED",
		Kind: "slack", Connection: "team-slack", Destination: json.RawMessage(`{"channel":"#ml-alerts"}`), Address: "#ml-alerts",
		Content: json.RawMessage(`{}`), State: store.Pending, NextAt: now, CreatedAt: now,
	}}}))
}

// settled waits until a delivery has come to a state, and returns its line.
func (w *world) settled(id, state string) (line map[string]any) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		for _, l := range lines(w.t, w.on("deliveries", "--json").stdout) {
			if l["id"] == id {
				line = l
			}
		}
		return line["state"] != "pending"
	}, patience, 50*time.Millisecond)
	require.Equal(w.t, state, line["state"])
	return line
}

func TestARunningServerObeysASilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, stop := w.serve()
	w.insert("before")
	w.settled("before", "delivered")
	id, _ := w.silence("--project", "ml", "--domain", "production", "--for", "1h", "--by", "ann", "--comment", "new cluster")
	made := time.Now()
	require.Eventually(t, func() bool { return time.Since(made) > 4*time.Second }, patience, 50*time.Millisecond)
	w.insert("meanwhile")
	line := w.settled("meanwhile", "silenced")
	require.Contains(t, line["last_error"], "silenced by "+id+" until ")
	require.Contains(t, line["last_error"], ", by ann: new cluster")
	require.Len(t, w.slack.Messages("ml-alerts"), 1)
	require.Equal(t, 0, w.on("redrive", "meanwhile").code)
	w.settled("meanwhile", "delivered")
	require.Len(t, w.slack.Messages("ml-alerts"), 2)
	require.Equal(t, 0, stop())
}
