package executor_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

var (
	soakFor  = flag.Duration("soak", 0, "how long the soak lasts in simulated time; default: 10h, or 1h with the race detector")
	soakOf   = flag.Int("soak.executions", 0, "how many executions live in it; default: 720 a day")
	soakSeed = flag.Uint64("soak.seed", 0, "what it is drawn from; default: the time")
)

// The pace of a soak, and how long a server that is up may need to see something.
const (
	soakInterval = 20 * time.Second
	soakSweep    = 10 * time.Minute
	soakOverlap  = 15 * time.Second
	soakLooks    = 30 * time.Second
	soakPrompt   = 75 * time.Second          // a change, a timer, a gate
	soakSlow     = soakSweep + 3*time.Minute // what only a sweep finds
	soakCalm     = 2 * time.Hour             // in the end, without any trouble
)

// soak is one run.
type soak struct {
	t       *testing.T
	fate    fate
	store   *sqlite.Store
	admin   *soakAdmin
	weather *weather
	lives   []*life
	begin   time.Time
	end     time.Time // of the trouble
	over    time.Time

	mu      sync.Mutex
	exec    *executor.NotifierExecutor // nil while no server runs
	late    time.Time                  // when the late subscription was born
	tasks   []*soakTask
	acks    []*soakAck
	hushes  []*soakHush
	seen    *soakStore // of the server that runs, or ran last
	kills   int
	servers int
}

// soakTask is a notification task of an execution.
type soakTask struct {
	life       *life
	watch      store.Watch
	rules      []spec.Rule
	own        *life     // of a task that waits: where it runs
	registered time.Time // zero: never
	cancelled  time.Time // zero: never
}

// TestSoak lets executions live for half a simulated day, while servers come, go and die and flyteadmin
// fails, and then asks an oracle that knows their lives what must have been told. With -soak 720h it takes a
// quarter of an hour. A seed draws the same lives and outages again; when servers look stays a matter of chance.
func TestSoak(t *testing.T) {
	t.Parallel()
	lasts, of, seed := *soakFor, *soakOf, *soakSeed
	if lasts == 0 {
		lasts = soakShort
	}
	if of == 0 {
		of = int(720 * lasts / (24 * time.Hour))
	}
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) //nolint:gosec // any number does
	}
	t.Logf("again with -run %s -soak %s -soak.executions %d -soak.seed %d", t.Name(), lasts, of, seed)
	path := filepath.Join(t.TempDir(), "notifier.db")
	synctest.Test(t, func(t *testing.T) {
		s := newSoak(t, path, seed, lasts, of)
		s.run()
		s.judge()
	})
}

func newSoak(t *testing.T, path string, seed uint64, lasts time.Duration, of int) *soak {
	s := &soak{t: t, fate: fate{rand.New(rand.NewPCG(seed, 1))}, weather: &weather{}}
	begin := time.Now().UTC()
	s.begin, s.end = begin, begin.Add(lasts)
	s.over = s.end.Add(soakCalm)
	for i := range of {
		created := begin.Add(time.Minute + s.fate.between(0, lasts-time.Minute)).Truncate(time.Microsecond)
		s.lives = append(s.lives, s.fate.live(i, created))
		if last := s.lives[len(s.lives)-1]; s.fate.chance(0.5) {
			s.draft(last)
		}
	}
	s.plan()
	slices.SortFunc(s.lives, func(a, b *life) int { return a.created.Compare(b.created) })
	for at := begin.Add(s.fate.between(time.Hour, 12*time.Hour)); at.Before(s.end); at = at.Add(s.fate.between(time.Hour, 24*time.Hour)) {
		s.weather.outages = append(s.weather.outages, span{at, at.Add(s.fate.between(time.Minute, pick(s.fate, 10*time.Minute, 3*time.Hour)))})
	}
	s.admin = newSoakAdmin(s.lives, s.weather)
	var err error
	s.store, err = sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.store.Close()) })
	return s
}

// draft adds a task of an execution, to be registered once it is found.
func (s *soak) draft(l *life) {
	all := soakTaskRules()
	s.fate.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	task := &soakTask{life: l, rules: all[:1+s.fate.IntN(len(all))]}
	begin := l.found.Add(s.fate.between(time.Second, 10*time.Minute))
	task.registered = begin
	if s.fate.chance(0.2) && len(s.lives) > 1 { // a task that waits, in an execution of its own
		task.own = s.lives[s.fate.IntN(len(s.lives))]
		if task.own == l || len(task.own.turns) < 2 || task.own.found.After(begin) {
			task.own = nil
		}
	}
	if s.fate.chance(0.05) {
		task.cancelled = begin.Add(s.fate.between(time.Minute, time.Hour))
	}
	s.tasks = append(s.tasks, task)
}

// run lets it all happen.
func (s *soak) run() {
	var wg sync.WaitGroup
	wg.Go(s.serve)
	wg.Go(s.act)
	wg.Go(s.people)
	wg.Wait()
	s.weather.settle()
}

// serve runs one server after the other.
func (s *soak) serve() {
	f := fate{rand.New(rand.NewPCG(s.fate.Uint64(), 2))}
	for time.Now().Before(s.end) {
		s.server(f, min(f.between(30*time.Second, pick(f, 5*time.Minute, time.Hour, 6*time.Hour)), time.Until(s.end)+time.Second), f.chance(0.7))
		<-time.After(f.between(10*time.Millisecond, pick(f, 5*time.Second, 5*time.Second, 5*time.Second, 5*time.Minute, 2*time.Hour)))
	}
	s.server(f, time.Until(s.over), false)
}

// server runs one until its time has come or it dies.
func (s *soak) server(f fate, lasts time.Duration, dies bool) {
	seen := &soakStore{Store: s.store, fate: fate{rand.New(rand.NewPCG(f.Uint64(), 3))}, weather: s.weather, died: make(chan struct{})}
	exec := executor.New(executor.Options{
		Store: seen, Admin: s.admin, Registry: notifier.NewRegistry(stdout.Manifest(io.Discard)),
		Config: executor.Config{
			Feed:         flyte.FeedConfig{Interval: soakInterval, Sweep: soakSweep, Overlap: soakOverlap, Batch: 100},
			NodeInterval: soakLooks, NodeCalls: 50, Discovery: 30 * time.Second,
		},
		Metrics: prometheus.NewRegistry(), Log: s.log(), Silenced: s.silenced(),
	})
	quiet := map[string]*spec.Quiet{"team": soakHours().team}
	require.NoError(s.t, exec.Subscribe(s.t.Context(), executor.Rules{Subscriptions: s.subscriptions(), Quiet: quiet}))
	seen.mu.Lock()
	if time.Now().Before(s.end) {
		seen.fails = 0.002
	}
	seen.mu.Unlock()
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	began := time.Now().UTC().Truncate(time.Microsecond)
	wg.Go(func() {
		if err := exec.Run(ctx); err != nil {
			s.t.Errorf("run: %v", err)
		}
	})
	s.use(exec, seen)
	<-time.After(lasts)
	if dies {
		seen.arm()
		select {
		case <-seen.died:
			s.kills++
		case <-time.After(time.Minute):
		}
	}
	s.use(nil, seen)
	cancel()
	wg.Wait()
	s.servers++
	s.weather.ran(span{began, time.Now().UTC()})
}

func (s *soak) log() *slog.Logger {
	if os.Getenv("SOAK_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

func (s *soak) use(exec *executor.NotifierExecutor, seen *soakStore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exec, s.seen = exec, seen
}

// running waits for a server.
func (s *soak) running() *executor.NotifierExecutor {
	for {
		s.mu.Lock()
		exec := s.exec
		s.mu.Unlock()
		if exec != nil {
			return exec
		}
		<-time.After(time.Second)
	}
}

// long leaves a test that lets much time pass out of a short run, such as the gate's with the race detector.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}
