package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// River's settings. Rescue adds up: a server is killed right after it took a job; the job is stuck
// after rescueAfter; River's leader (replaced within 15 s, if it was the one) looks for stuck jobs
// each 30 s and schedules rescued ones each 5 s; so another server has it after 66 s at most.
const (
	// jobTime is what a job has for a look-up, a send and some waiting. Its context ends then; the
	// outbox records outcomes even after that.
	jobTime = 30 * time.Second

	// rescueAfter is when a job counts as its server's last: just after jobTime, as River demands.
	rescueAfter = jobTime + time.Second

	// stuckAfter is when River complains of a job that goes on after jobTime: not while an outcome
	// waits for Postgres to come back.
	stuckAfter = 10 * time.Minute

	// maxWorkers is how many jobs of a queue, and so of a connection, are at work at most: some are being sent,
	// some wait for that, and some find out that there is no place for them. With many more most would be put off
	// that could as well wait in the queue; with fewer, lanes that hang would hold up the others.
	maxWorkers = 768

	// fetchCooldown is the least time between two fetches. River's default of 100 ms would hold a
	// server to a few hundred jobs a second, and each of them back by as much.
	fetchCooldown = 2 * time.Millisecond

	// notifyCooldown is the least time between two NOTIFYs of a queue from one server: River drops the
	// second, and its job waits for the next poll. No less is possible.
	notifyCooldown = river.FetchCooldownMin

	// fetchPoll is how late a snoozed job is at most: nobody is told of it. New jobs come at once,
	// by NOTIFY; where nobody can listen they are polled for. With many queues each is polled less often.
	fetchPoll  = 100 * time.Millisecond
	blindFetch = 20 * time.Millisecond
	pollShare  = 10 * time.Millisecond // times the number of queues

	// soon is how far ahead River's scheduler makes jobs available: it looks once in this time, and
	// what is due sooner must be available at once.
	soon = 5 * time.Second

	// Rows of jobs that are over are for River's UI only: the history is in our own tables. Jobs are
	// cancelled by people, in the UI; their deliveries get new ones, see adopt.
	keepCompleted = 15 * time.Minute
	keepOthers    = 24 * time.Hour

	// unsettled is how long a job waits whose row cannot be read, or which is at work here already.
	unsettled = time.Second

	// early is how much too early a job may be: that is waited for here.
	early = 250 * time.Millisecond

	// openAgain is how long at most a job waits that found an attempt open. The server that it was taken from
	// may be alive, and then this wait is the job's, whatever that server's attempt comes to.
	openAgain = 2 * time.Second

	startEvery = time.Second     // between tries to start River
	stopMargin = 2 * time.Second // for River to record what became of the last jobs
)

// promptly retries at once, as far as River does: for jobs that were rescued.
type promptly struct{ clock *clock }

// NextRetry is river.ClientRetryPolicy's.
func (p promptly) NextRetry(*rivertype.JobRow) time.Time { return p.clock.Now().Add(time.Second) }

// Work is store.Queue's. It goes on through any outage of Postgres.
func (s *Store) Work(
	ctx context.Context, connections []string, grace time.Duration, do func(context.Context, store.Delivery) time.Duration,
) error {
	read := newLoader(s)
	defer read.Close()
	w := &worker{jobs: s.jobs, read: reading(read), do: do}
	adopting := make(chan struct{})
	go func() {
		defer close(adopting)
		s.keepAdopting(ctx)
	}()
	defer func() { <-adopting }()
	for ctx.Err() == nil {
		if err := s.jobs.run(ctx, connections, grace, w); err != nil && ctx.Err() == nil {
			s.jobs.log.WarnContext(ctx, "deliveries cannot be worked on yet", "error", err)
			sleep(ctx, startEvery)
		}
	}
	return nil
}

// run works until ctx ends and what is under way then has ended.
func (j *jobs) run(ctx context.Context, connections []string, grace time.Duration, w *worker) error {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, w); err != nil {
		return fmt.Errorf("add worker: %w", err)
	}
	client, err := river.NewClient(riverpgxv5.New(j.pool), &river.Config{
		Schema: j.schema, Logger: j.log, PollOnly: j.poll,
		Queues: j.queues(connections), Workers: workers, FetchCooldown: fetchCooldown,
		JobTimeout: jobTime, RescueStuckJobsAfter: rescueAfter, JobStuckThreshold: stuckAfter,
		RetryPolicy: promptly{j.clock}, SoftStopTimeout: grace,
		ReindexerIndexNames:         riverIndexes(),
		CompletedJobRetentionPeriod: keepCompleted, CancelledJobRetentionPeriod: keepOthers, DiscardedJobRetentionPeriod: keepOthers,
		// River has it for tests, but it is what we need: its snoozes and its scheduler by Postgres' clock.
		// Its rescuer keeps to the local one. A job that is rescued too early only looks, see Work.
		Test: river.TestConfig{Time: j.clock},
	})
	if err != nil {
		return fmt.Errorf("make River's client: %w", err)
	}
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("start River: %w", err)
	}
	stopped := client.Stopped()
	j.widen(ctx, client, stopped)
	if ctx.Err() == nil {
		return nil
	}
	select {
	case <-stopped:
	case <-time.After(grace + stopMargin): // it insists on a Postgres that is away
		j.log.WarnContext(context.WithoutCancel(ctx), "River does not stop in time; its jobs are rescued by others")
	}
	return nil
}

// worker is what River calls with a job.
type worker struct {
	river.WorkerDefaults[deliveryArgs]
	jobs *jobs
	read func(context.Context, string) (loaded, error)
	do   func(context.Context, store.Delivery) time.Duration
}

// Work is river.Worker's. The delivery's row decides what there is to do: the job of one that is
// settled, gone or not the first of its lane just ends, and whoever makes it the first inserts another.
func (w *worker) Work(ctx context.Context, job *river.Job[deliveryArgs]) error {
	id := job.Args.ID
	if !w.jobs.begin(id, job.ID) {
		return river.JobSnooze(unsettled)
	}
	defer w.jobs.end(id)
	d, err := w.read(ctx, id)
	switch {
	case err != nil:
		return w.unread(ctx, id, err)
	case !d.head:
		return nil
	}
	if left := w.jobs.clock.until(d.NextAt); left > early {
		return river.JobSnooze(left)
	} else if left > 0 {
		sleep(ctx, left)
	}
	open := !d.OpenedAt.IsZero()
	d.NextAt, d.OpenedAt = w.jobs.clock.ours(d.NextAt), w.jobs.clock.ours(d.OpenedAt)
	again := w.do(ctx, d.Delivery)
	if again <= 0 && w.jobs.isSettled(id) {
		return nil
	}
	if open {
		again = min(again, openAgain)
	}
	return river.JobSnooze(max(again, 0)) // if it is settled after all, that is seen then
}

// unread puts a job off whose delivery cannot be read now.
func (w *worker) unread(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil {
		return river.JobSnooze(0) // another server reads it
	}
	w.jobs.log.WarnContext(ctx, "delivery cannot be read", "delivery", id, "error", err)
	return river.JobSnooze(unsettled)
}

// Interrupt is store.Queue's. An unknown delivery is store.ErrNotFound.
func (s *Store) Interrupt(ctx context.Context, id string, opened, now time.Time) error {
	opened, now = s.clock.theirs(opened), s.clock.theirs(now)
	_, err := write(ctx, s, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, interrupt(ctx, tx, id, opened, now) })
	if err != nil {
		return fmt.Errorf("interrupt delivery %s: %w", id, err)
	}
	return nil
}

func interrupt(ctx context.Context, tx pgx.Tx, id string, opened, now time.Time) error {
	const update = `UPDATE flyte_notifier.deliveries d
		SET unknown_at = coalesce(unknown_at, opened_at), opened_at = NULL, next_at = $2
		WHERE seq = $1 RETURNING ` + deliveryColumns
	var watches []locked
	var found []standing
	var p pipeline
	lockOwners(&p, &watches, ownersOf, []string{id})
	into(&p, &found, scanStanding, lockDeliveries, []string{id})
	if err := p.run(ctx, tx); err != nil {
		return err
	}
	switch {
	case len(found) == 0:
		return store.ErrNotFound
	case found[0].opened == nil || *found[0].opened != opened.UnixMicro():
		return store.ErrConflict
	}
	d, err := scanDelivery(tx.QueryRow(ctx, update, found[0].seq, now.UnixMicro()))
	if err != nil && !engine.Damaged(err) {
		return err
	}
	var events eventRows
	for _, w := range watches {
		events.add(w.seq, store.UnknownEvent(d, now))
	}
	p = pipeline{}
	events.insert(&p)
	return p.run(ctx, tx)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
