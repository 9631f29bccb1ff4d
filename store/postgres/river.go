package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	// deliveryKind is what River's tables and UI call the work.
	deliveryKind = "delivery"

	// maxAttempts is never reached: a snooze gives its attempt back, and only a rescue costs one.
	// Whether a delivery is given up is the outbox's decision, not River's.
	maxAttempts = math.MaxInt16
)

// riverIndexes are those that River rebuilds now and then: all that our migrations leave of its own.
func riverIndexes() []string {
	return []string{
		"river_job_kind", "river_job_pkey", "river_job_prioritized_fetching_index",
		"river_job_state_and_finalized_at_index", "river_job_unique_idx",
	}
}

// deliveryArgs are a job's arguments. A job is only a wake-up: all that matters is in the row of
// the delivery.
type deliveryArgs struct {
	ID string `json:"id"`
}

// Kind is river.JobArgs's.
func (deliveryArgs) Kind() string { return deliveryKind }

// InsertOpts is river.JobArgsWithInsertOpts's.
func (deliveryArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: maxAttempts}
}

// queued is a delivery that became the one to send next in its watch and lane.
type queued struct {
	id    string
	key   string
	lane  store.Lane
	scope flyte.Scope // of its execution; without the organization
	at    time.Time   // when it is due
}

// queuedColumns are those of scanQueued.
const queuedColumns = "d.id, d.key, d.connection, d.address, d.project, d.domain, d.next_at"

func queuedOf(d store.Delivery) queued {
	x := d.Execution
	return queued{
		id: d.ID, key: d.Key, lane: store.Lane{Connection: d.Connection, Address: d.Address},
		scope: flyte.Scope{Project: x.Project, Domain: x.Domain}, at: d.NextAt,
	}
}

func scanQueued(row pgx.Row) (q queued, err error) {
	var at int64
	err = row.Scan(&q.id, &q.key, &q.lane.Connection, &q.lane.Address, &q.scope.Project, &q.scope.Domain, &at)
	q.at = time.UnixMicro(at).UTC()
	return q, err
}

// jobs are River's jobs of this process: a client that inserts them, and those at work.
type jobs struct {
	pool   *pgxpool.Pool
	schema string
	poll   bool // behind a pooler: LISTEN does not work
	log    *slog.Logger
	clock  *clock
	insert *river.Client[pgx.Tx]

	floods floods
	later  later

	mu   sync.Mutex
	work map[string]*atWork // by delivery
}

// atWork is a job at work.
type atWork struct {
	id      int64 // River's
	settled bool  // its delivery is, and it is completed
}

// newJobs returns jobs that River works on through the pool. poll says that it goes through a pooler
// which shares connections between transactions, so that nobody can listen on them.
func newJobs(pool *pgxpool.Pool, schema string, poll bool, log *slog.Logger, c *clock) (*jobs, error) {
	log = quietly(log)
	insert, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: schema, Logger: log, FetchCooldown: notifyCooldown, Test: river.TestConfig{Time: c},
		Hooks: []rivertype.Hook{river.HookInsertBeginFunc(byServersClock)},
	})
	if err != nil {
		return nil, fmt.Errorf("make River's client: %w", err)
	}
	return &jobs{pool: pool, schema: schema, poll: poll, log: log, clock: c, insert: insert, work: map[string]*atWork{}}, nil
}

// byServersClock lets Postgres say when a job that is due at once was due. It is Postgres that
// hands it out, and a replica's clock may be ahead of it.
func byServersClock(_ context.Context, p *rivertype.JobInsertParams) error {
	if p.ScheduledAt == nil {
		p.ScheduledAt = &time.Time{} // River's statement makes now() of it
	}
	return nil
}

// enqueue inserts a job for each of the deliveries, in the transaction that made them heads.
func (s *Store) enqueue(ctx context.Context, tx pgx.Tx, heads []queued) error {
	if len(heads) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(heads))
	for i, h := range heads {
		o := &river.InsertOpts{
			Queue:    queueOf(h.lane.Connection),
			Priority: s.jobs.floods.priority(h.lane, h.scope, store.Delivery{Key: h.key}.Reminder(), time.Now()),
		}
		// What is due soon is handed out at once, and waits precisely; the rest waits for River's
		// scheduler, which looks once in soon.
		if s.clock.until(h.at) > soon {
			o.ScheduledAt = h.at
		}
		params[i] = river.InsertManyParams{Args: deliveryArgs{ID: h.id}, InsertOpts: o}
	}
	if _, err := s.jobs.insert.InsertManyTx(ctx, tx, params); err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	return nil
}

// complete completes the jobs of deliveries that are settled in the transaction, as far as this
// process works on them. It is river.JobCompleteTx for many at once: what that does for one job is
// one statement as well. Jobs at work elsewhere find their delivery settled, and end.
func (s *Store) complete(ctx context.Context, tx pgx.Tx, ids []string) error {
	at := s.jobs.working(ids)
	if len(at) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, "SET LOCAL enable_hashjoin = on"); err != nil { // as for River's own, see connect
		return err
	}
	p := riverdriver.JobSetStateIfRunningManyParams{Schema: s.jobs.schema}
	now := s.clock.Now()
	for _, id := range at {
		done := riverdriver.JobSetStateCompleted(id, now, nil)
		p.ID, p.State, p.FinalizedAt = append(p.ID, id), append(p.State, done.State), append(p.FinalizedAt, done.FinalizedAt)
		p.Attempt, p.ErrData, p.ScheduledAt = append(p.Attempt, nil), append(p.ErrData, nil), append(p.ScheduledAt, nil)
		p.MetadataDoMerge, p.MetadataUpdates = append(p.MetadataDoMerge, false), append(p.MetadataUpdates, nil)
	}
	client := s.jobs.insert
	if _, err := client.Pilot().JobSetStateIfRunningMany(ctx, client.Driver().UnwrapExecutor(tx), &p); err != nil {
		return fmt.Errorf("complete jobs: %w", err)
	}
	return nil
}

// working returns River's ids of the jobs at work for these deliveries, which are settled now. Should
// their transaction fail, whoever settles them tries again, or says when the job shall come back.
func (j *jobs) working(deliveries []string) []int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var ids []int64
	for _, d := range deliveries {
		if at := j.work[d]; at != nil {
			at.settled = true
			ids = append(ids, at.id)
		}
	}
	return ids
}

// begin says that this process works on the delivery from now until end. It returns false if it
// does so already, for another job.
func (j *jobs) begin(delivery string, id int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.work[delivery] != nil {
		return false
	}
	j.work[delivery] = &atWork{id: id}
	return true
}

func (j *jobs) isSettled(delivery string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.work[delivery].settled
}

func (j *jobs) end(delivery string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.work, delivery)
}

// River returns a client of River for its UI: it shows and changes jobs, and works on none.
func (s *Store) River() *river.Client[pgx.Tx] { return s.jobs.insert }
