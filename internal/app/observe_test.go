package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/metadata"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// monitoring is where the dashboard and the alerts are.
const monitoring = "../../deploy/monitoring/"

// exercise makes a server do a little of everything, and returns its metrics.
func (w *world) exercise(c *config.Config) string {
	w.t.Helper()
	w.start(c)
	id := w.run("f1")
	w.register(id)
	w.awaitPage(`flyte_notifier_shards_held 1`)
	w.flyteFails(id)
	_, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(w.t, err)
	w.awaitPage(`flyte_notifier_deliveries{state="delivered"} 3`)
	_, body := w.page("/metrics")
	return body
}

// awaitPage waits for a line of the metrics.
func (w *world) awaitPage(line string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		_, body := w.page("/metrics")
		return strings.Contains(body, "\n"+line+"\n")
	}, patience, 50*time.Millisecond, line)
}

// Names and types follow Prometheus' conventions, and no label holds what users make up.
func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := w.exercise(w.config())
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	for _, made := range []string{"f1", "#ml", "production", "ada", "ml@example.org", "team-slack"} {
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "flyte_notifier_connection_open{") {
				continue // of the operator's few
			}
			if strings.HasPrefix(line, "flyte_notifier_") && strings.Contains(line, `"`+made+`"`) {
				t.Errorf("%s is a label: %s", made, line)
			}
		}
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		check.Stdin = strings.NewReader(body)
		out, err := check.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Empty(t, string(out))
	}
}

// Dashboard and alerts ask for nothing that no server tells.
func TestDashboardAndAlertsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.exercise(w.config())
	w.edit("watch:  {interval: 50ms => watch:  {interval: 60ms")
	w.awaitPage(`flyte_notifier_config_restart_needed{key="watch.interval"} 1`)
	_, body := w.page("/metrics")
	exported := map[string]bool{}
	for line := range strings.Lines(body) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ = strings.Cut(name, "{")
		exported[name] = true
	}
	asked := regexp.MustCompile(`\b(flyte_notifier|go|process)_[a-z_]+`)
	expressions := slices.Concat(dashboard(t), alerts(t))
	require.Greater(t, len(expressions), 40)
	used := map[string]bool{}
	for _, e := range expressions {
		names := asked.FindAllString(e, -1)
		require.NotEmpty(t, names, e)
		for _, name := range names {
			require.True(t, exported[name], "%s in %s", name, e)
			used[name] = true
		}
	}
	for name := range exported {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "flyte_notifier_") && !used[base] && !used[base+"_bucket"] && !used[base+"_count"] {
			t.Errorf("%s is on no dashboard", name)
		}
	}
}

// dashboard returns the expressions of the dashboard's panels.
func dashboard(t *testing.T) (all []string) {
	t.Helper()
	raw, err := os.ReadFile(monitoring + "dashboard.json")
	require.NoError(t, err)
	var d struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, RefID string }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &d))
	ids, places := map[int]bool{}, map[string]bool{}
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], "id %d is there twice", p.ID)
		place := fmt.Sprint(p.GridPos.X, " ", p.GridPos.Y)
		require.False(t, places[place], "%s covers another", p.Title)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24)
		ids[p.ID], places[place] = true, true
		require.Equal(t, p.Type == "row", len(p.Targets) == 0, p.Title)
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

// alerts returns the expressions of the alerts, each of which has its paragraph in the docs.
func alerts(t *testing.T) (all []string) {
	t.Helper()
	raw, err := os.ReadFile(monitoring + "alerts.yaml")
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &rules))
	docs, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	for _, r := range rules.Groups[0].Rules {
		require.Contains(t, []string{"critical", "warning", "info"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"])
		require.True(t, strings.HasSuffix(r.Annotations["runbook_url"], "#"+strings.ToLower(r.Alert)), r.Alert)
		require.Contains(t, string(docs), "\n### "+r.Alert+"\n")
		all = append(all, r.Expr)
	}
	return all
}

func TestAlertsPassPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool on this machine")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts.test.yaml"}} {
		check := exec.CommandContext(t.Context(), promtool, args...)
		check.Dir = filepath.Clean(monitoring)
		out, err := check.CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

// One trace leads from FlytePropeller's call to the attempt, although they meet in the store only,
// and the server stops in between.
func TestOneTraceFromCreateTaskToTheAttempt(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(w *world) *config.Config{
		"sqlite":   func(w *world) *config.Config { return w.config() },
		"postgres": func(w *world) *config.Config { return w.onPostgres(pgtest.Database(w.t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, spans := newWorld(t), tracetest.NewSpanRecorder()
			w.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
			c := open(w)
			w.start(c)
			id := w.run("f1")
			ctx := metadata.AppendToOutgoingContext(w.context(), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			_, err := w.agent.CreateTask(ctx, w.request(id, "notification", object{"rules": list{
				object{"when": object{"phase": list{"FAILED"}}, "send": tellAll()},
			}}))
			require.NoError(t, err)
			require.NoError(t, w.stop())
			w.start(c)
			w.flyteFails(id)
			require.Eventually(t, func() bool { return w.states(c)[store.Delivered] == 3 }, patience, 50*time.Millisecond)
			require.NoError(t, w.stop())
			checkTrace(t, spans.Ended())
		})
	}
}

// checkTrace follows the spans back from the attempts to the call.
func checkTrace(t *testing.T, spans []sdktrace.ReadOnlySpan) {
	t.Helper()
	byID, attempts := map[string]sdktrace.ReadOnlySpan{}, 0
	for _, s := range spans {
		byID[s.SpanContext().SpanID().String()] = s
	}
	for _, s := range spans {
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", s.SpanContext().TraceID().String(), s.Name())
		if s.Name() != "attempt" {
			continue
		}
		attempts++
		transition := byID[s.Parent().SpanID().String()]
		require.Equal(t, "transition", transition.Name())
		call := byID[transition.Parent().SpanID().String()]
		require.Equal(t, "flyteidl.service.AsyncAgentService/CreateTask", call.Name())
		require.Equal(t, "b7ad6b7169203331", call.Parent().SpanID().String())
	}
	require.Equal(t, 3, attempts)
}
