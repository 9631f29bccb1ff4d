package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

const (
	// holdTimeout is for a Postgres that hangs: a member that cannot ask holds nothing.
	holdTimeout = 2 * time.Second

	// silence is how long a member may ask nothing before Postgres takes it for dead, though it
	// answers its connection: a process that was stopped, say.
	silence = "10000" // milliseconds
)

// member is a store.Membership. All it has are advisory locks of its own connection: who is a member, and who
// holds which shard, is what Postgres says, and ends with the connection. There are no clocks and no rows.
type member struct {
	s    *Store
	mu   sync.Mutex
	conn *pgx.Conn // nil once it is over
}

var errLeft = errors.New("this server is no member any more")

// Join is store.Shards's.
func (s *Store) Join(ctx context.Context) (store.Membership, error) {
	m, err := s.join(ctx)
	if err != nil {
		return nil, fmt.Errorf("join the watching: %w", err)
	}
	return m, nil
}

func (s *Store) join(ctx context.Context) (*member, error) {
	// A Postgres before 14 has no idle_session_timeout, and does without.
	const start = `SELECT set_config(name, $1, false), pg_advisory_lock_shared($2, 0)
		FROM (SELECT name FROM pg_settings WHERE name = 'idle_session_timeout'
			UNION ALL SELECT 'application_name' WHERE NOT EXISTS (SELECT 1 FROM pg_settings WHERE name = 'idle_session_timeout')) s`
	c, err := s.directConfig()
	if err != nil {
		return nil, err
	}
	parameters(c.ConnConfig)["statement_timeout"] = "1000"
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err != nil {
		return nil, err
	}
	m := &member{s: s, conn: conn}
	if _, err = conn.Exec(ctx, start, silence, memberLock); err == nil {
		err = s.keep(m)
	}
	if err != nil {
		m.Leave()
		return nil, err
	}
	return m, nil
}

// keep remembers a member for Close.
func (s *Store) keep(m *member) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		return engine.ErrClosed
	}
	s.members[m] = struct{}{}
	return nil
}

func (s *Store) leaveAll() {
	s.mu.Lock()
	members := s.members
	s.members = nil
	s.mu.Unlock()
	for m := range members {
		m.Leave()
	}
}

// Leave is store.Membership's.
func (m *member) Leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end()
}

// end closes the connection. First it gives the locks back, so that they are free when it returns.
func (m *member) end() {
	if m.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = m.conn.Exec(ctx, "SELECT pg_advisory_unlock_all()") // or with the connection
	_ = m.conn.Close(ctx)
	m.conn = nil
	m.s.mu.Lock()
	delete(m.s.members, m)
	m.s.mu.Unlock()
}

// Hold is store.Membership's.
func (m *member) Hold(ctx context.Context, all []flyte.Shard) ([]flyte.Shard, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == nil {
		return nil, 0, fmt.Errorf("hold shards: %w", errLeft)
	}
	ctx, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	held, members, err := m.hold(ctx, all)
	if err != nil {
		m.end()
		return nil, 0, fmt.Errorf("hold shards: %w", err)
	}
	return held, members, nil
}

func (m *member) hold(ctx context.Context, all []flyte.Shard) ([]flyte.Shard, int, error) {
	seen, err := m.look(ctx)
	if err != nil {
		return nil, 0, err
	}
	keys := keysOf(all)
	free, surplus, mine := seen.plan(keys)
	if err := m.unlock(ctx, surplus); err != nil {
		return nil, 0, err
	}
	more, err := m.lock(ctx, free)
	if err != nil {
		return nil, 0, err
	}
	holds := make(map[int32]bool, len(mine)+len(more))
	for _, key := range slices.Concat(mine, more) {
		holds[key] = true
	}
	var held []flyte.Shard
	for _, sh := range all {
		if holds[keyOf(sh.String())] {
			held = append(held, sh)
		}
	}
	return held, len(seen.members), nil
}

// keysOf are the keys of the shards' locks, sorted. Shards whose keys happen to be the same go together.
func keysOf(all []flyte.Shard) []int32 {
	keys := make([]int32, 0, len(all))
	for _, sh := range all {
		keys = append(keys, keyOf(sh.String()))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// view is what Postgres says of the locks.
type view struct {
	me      int32
	members []int32 // processes, sorted
	holders map[int32]int32
}

// look reads who is a member, and who holds what.
func (m *member) look(ctx context.Context) (view, error) {
	const query = `SELECT classid::bigint = $1, objid::bigint::bit(32)::integer, pid, pg_backend_pid() FROM pg_locks
		WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND classid::bigint IN ($1, $2) AND objsubid = 2 AND granted`
	type lock struct {
		member   bool
		key, pid int32
	}
	v := view{holders: map[int32]int32{}}
	locks, err := list(ctx, m.conn, func(row pgx.Row) (l lock, err error) {
		err = row.Scan(&l.member, &l.key, &l.pid, &v.me)
		return l, err
	}, query, memberLock, shardLock)
	for _, l := range locks {
		if l.member {
			v.members = append(v.members, l.pid)
		} else {
			v.holders[l.key] = l.pid
		}
	}
	slices.Sort(v.members)
	if err == nil && !slices.Contains(v.members, v.me) {
		err = errLeft // its lock is gone: somebody's pooler gave us another connection
	}
	return v, err
}

// plan decides which keys to try and which to give up, so that each member comes to hold its share: the
// first members hold one more where they cannot hold as many.
func (v view) plan(keys []int32) (try, surplus, mine []int32) {
	rank := slices.Index(v.members, v.me)
	share := len(keys) / len(v.members)
	if rank < len(keys)%len(v.members) {
		share++
	}
	for key, pid := range v.holders {
		if pid != v.me {
			continue
		}
		if _, ok := slices.BinarySearch(keys, key); ok {
			mine = append(mine, key)
		} else {
			surplus = append(surplus, key) // of no use any more
		}
	}
	slices.Sort(mine)
	if len(mine) > share {
		surplus, mine = append(surplus, mine[share:]...), mine[:share]
	}
	// Each begins at another place, so that they do not all try for the same.
	begin := rank * len(keys) / len(v.members)
	for i := range keys {
		key := keys[(begin+i)%len(keys)]
		if _, taken := v.holders[key]; !taken && len(mine)+len(try) < share {
			try = append(try, key)
		}
	}
	return try, surplus, mine
}

func (m *member) unlock(ctx context.Context, keys []int32) error {
	if len(keys) == 0 {
		return nil
	}
	_, err := m.conn.Exec(ctx, "SELECT pg_advisory_unlock($1, key) FROM unnest($2::integer[]) AS key", shardLock, keys)
	return err
}

// lock returns those of the keys that it got.
func (m *member) lock(ctx context.Context, keys []int32) ([]int32, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	const query = "SELECT key FROM (SELECT key, pg_try_advisory_lock($1, key) AS got FROM unnest($2::integer[]) AS key) t WHERE got"
	got, err := list(ctx, m.conn, scanInt, query, shardLock, keys)
	if err != nil {
		return nil, err
	}
	held := make([]int32, 0, len(got))
	for _, key := range got {
		held = append(held, int32(key)) //nolint:gosec // it was one
	}
	return held, nil
}
