package app

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// lookEvery is how often the config file is looked at. Its content is read each time, since no event and no time
// stamp can be relied on: Kubernetes swaps a link in a folder above it, editors put another file in its place, and
// inotify tells of neither to who watches the file.
const lookEvery = 2 * time.Second

// Source is where a config came from, and can be read again. All but File may be left out.
type Source struct {
	File    string
	Environ []string         // overrides of its keys, "NAME=value" each
	Signals <-chan os.Signal // each has the file read at once, changed or not
	Ticks   <-chan time.Time // each has it looked at whether it changed; nil: every 2 s
}

// look is the file as it was at some time.
type look struct {
	sum     [sha256.Size]byte
	problem string // it could not be read
}

// reloader lets a server take up its config anew: on a signal, and when the file's content has changed. One
// that no server would start with changes nothing, and is told.
type reloader struct {
	Source
	judge   func(*config.Config) (*notifier.Connections, []notifier.Problem)
	take    func(*config.Config, *notifier.Connections)
	parse   func(data []byte) (*config.Config, []notifier.Problem)
	log     *slog.Logger
	metrics *reloadMetrics

	started *config.Config // what the server was built with
	running *config.Config // the last that was taken
	seen    look           // at the last look
	read    look           // when it was read last
	told    look           // of the last problems in the log

	mu       sync.Mutex
	problems []string // of the last reload, by path
	restart  []string // keys that differ from what the server was built with
}

func newReloader(s *server) *reloader {
	r := &reloader{
		judge: s.judge, take: s.take, log: s.Log, metrics: newReloadMetrics(s.metrics), started: s.Config, running: s.Config,
	}
	r.metrics.taken(nil, len(s.Config.Broken))
	if s.Source != nil {
		r.Source = *s.Source
	}
	r.parse = func(data []byte) (*config.Config, []notifier.Problem) {
		return config.Parse(data, r.Environ, s.registry)
	}
	return r
}

// run reloads until ctx ends. What can be read but once, such as a pipe, is left alone.
func (r *reloader) run(ctx context.Context) error {
	if info, err := os.Stat(r.File); r.File == "" || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	if r.Ticks == nil {
		r.Ticks = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.Signals:
			now, data := r.look()
			r.seen = now
			r.reload(ctx, now, data, true)
		case <-r.Ticks:
			r.poll(ctx)
		}
	}
}

func (r *reloader) look() (look, []byte) {
	data, err := os.ReadFile(r.File)
	if err != nil {
		return look{problem: "read config: " + err.Error()}, nil
	}
	return look{sum: sha256.Sum256(data)}, data
}

// poll reads a file that has changed, once it was the same at two looks: half of it may be a valid config, too.
// One with problems is read at each look, since secrets may arrive after it.
func (r *reloader) poll(ctx context.Context) {
	now, data := r.look()
	settled := now == r.seen
	r.seen = now
	if settled && (now != r.read || len(r.problems) > 0) {
		r.reload(ctx, now, data, false)
	}
}

// reload takes the config up if there is nothing wrong with it.
func (r *reloader) reload(ctx context.Context, now look, data []byte, asked bool) {
	r.read = now
	c, connections, problems := r.load(now, data)
	if len(problems) > 0 {
		r.refuse(ctx, now, problems, asked)
		return
	}
	changes, healed := r.running.Changes(c), len(r.problems) > 0
	r.setRunning(c)
	if asked || len(changes.Live) > 0 {
		r.take(c, connections)
	}
	restart := r.started.Changes(c).Restart
	r.note(nil, restart)
	r.metrics.taken(restart, len(c.Broken))
	if asked || healed || len(changes.Live)+len(changes.Restart) > 0 {
		r.log.InfoContext(ctx, "config reloaded", "file", r.File, "changed", changes.Live, "needs_restart", restart)
	}
}

func (r *reloader) load(now look, data []byte) (*config.Config, *notifier.Connections, []notifier.Problem) {
	if now.problem != "" {
		return nil, nil, []notifier.Problem{{Text: now.problem}}
	}
	c, problems := r.parse(data)
	if len(problems) > 0 {
		return nil, nil, problems
	}
	connections, problems := r.judge(c)
	return c, connections, problems
}

// refuse leaves all as it is, and tells why: in the log once for a content and its problems.
func (r *reloader) refuse(ctx context.Context, now look, problems []notifier.Problem, asked bool) {
	lines := strings.Split(strings.TrimSuffix(config.Problems(problems), "\n"), "\n")
	if asked || now != r.told || !slices.Equal(lines, r.problems) {
		r.log.ErrorContext(ctx, "config cannot be reloaded; the one before it stays", "file", r.File, "problems", lines)
		r.told = now
	}
	r.note(lines, r.restart)
	r.metrics.refused()
}

func (r *reloader) setRunning(c *config.Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = c
}

func (r *reloader) note(problems, restart []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems, r.restart = problems, restart
}

// notes are the lines for operators: what is wrong with the file, and what of it waits for a restart.
func (r *reloader) notes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := slices.Clone(r.problems)
	for _, p := range r.running.Broken {
		lines = append(lines, p.String()+" (the rule is left out)")
	}
	for _, key := range r.restart {
		lines = append(lines, key+": changed, needs a restart")
	}
	return lines
}
