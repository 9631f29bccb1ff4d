package app_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// While the config changes all the time, every message arrives, once.
func TestReloadsLoseNothingAndRepeatNothing(t *testing.T) {
	t.Parallel()
	const tasks, reloads = 80, 100
	for name, open := range map[string]func(w *watched) *config.Config{
		"sqlite": func(w *watched) *config.Config { return w.config() },
		"postgres": func(w *watched) *config.Config {
			c := w.onPostgres(pgtest.Database(w.t))
			w.source.Environ = []string{"FLYTE_NOTIFIER__STORE={url: {file: " + filepath.Join(w.dir, "store-url") + "}}"}
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUnwatched(t)
			w.write("slack2", slacksim.DefaultToken)
			c := open(w)
			w.start(c)
			w.edit(fast)
			w.hup()
			w.awaitTaken()
			var all sync.WaitGroup
			all.Go(func() {
				for i := range tasks {
					id := fmt.Sprint("f", i)
					assert.Equal(t, core.TaskExecution_SUCCEEDED, w.task(id, "team-slack"))
					w.flyteFails(execution(id))
				}
			})
			for i := range reloads {
				edits := []string{fast}
				switch i % 4 {
				case 1:
					edits = append(edits, second)
				case 2:
					edits = []string{strings.Replace(fast, "rate: {per_second: 0}", "rate: {per_second: 50, burst: 3, total_per_second: 100}", 1)}
				case 3:
					edits = append(edits, `"DIR/slack" => "DIR/slack2"`)
				}
				w.edit(edits...)
				w.hup()
				w.awaitTaken()
			}
			all.Wait()
			require.Eventually(t, func() bool { return w.states(c)[store.Delivered] == tasks }, patience, 50*time.Millisecond, "%v", w.states(c))
			require.NoError(t, w.stop())
			require.Equal(t, map[store.DeliveryState]int{store.Delivered: tasks}, w.states(c))
			told := map[string]int{}
			for _, m := range w.slack.Messages("ml") {
				told[slacksim.Render(m)]++
			}
			require.Len(t, told, tasks)
			for text, n := range told {
				require.Equal(t, 1, n, text)
			}
		})
	}
}

// fast lifts Slack's own limit.
const fast = `api_url: "SLACK"} => api_url: "SLACK"}, rate: {per_second: 0}`
