package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// schema holds everything of ours: the database may be another program's.
const schema = "flyte_notifier"

const (
	connectTimeout = 5 * time.Second
	poolSize       = 10 // for reads and rare writes
	hotSize        = 5  // one for each kind of hot writes
	riverSize      = 6  // for River's own statements
)

// limits keep a transaction from holding others up: its locks are gone seconds after its server has died
// or was cut off, also where nobody tells Postgres. Whoever meets such a lock fails alone, soon: callers try
// again.
func limits() map[string]string {
	return map[string]string{
		"lock_timeout":                        "2000",
		"statement_timeout":                   "30000",
		"idle_in_transaction_session_timeout": "10000",
	}
}

// limitsQuery sets the limits for a transaction, where a pooler takes no parameters of connections.
const limitsQuery = `SELECT set_config('lock_timeout', '2000', true), set_config('statement_timeout', '30000', true),
	set_config('idle_in_transaction_session_timeout', '10000', true)`

// session are the parameters of a connection besides.
func session() map[string]string {
	return map[string]string{
		"search_path":             schema,
		"tcp_user_timeout":        "3000",
		"tcp_keepalives_idle":     "1",
		"tcp_keepalives_interval": "1",
		"tcp_keepalives_count":    "2",
		// Every query has its index, which is the way also while statistics of a young table say otherwise.
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
		"jit":              "off",
	}
}

// parse reads a URL. Its errors show nothing of it: it may hold a password.
func parse(url string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("open store: this is no URL of a Postgres database " +
			"(like postgres://user:password@host:5432/database, special characters of a password percent-encoded)")
	}
	c.ConnConfig.ConnectTimeout = connectTimeout
	c.ConnConfig.DialFunc = dialer().DialContext
	parameters(c.ConnConfig)["application_name"] = "flyte-notifier"
	c.MaxConnIdleTime = 5 * time.Minute
	c.HealthCheckPeriod = 30 * time.Second
	return c, nil
}

func parameters(c *pgx.ConnConfig) map[string]string {
	if c.RuntimeParams == nil {
		c.RuntimeParams = map[string]string{}
	}
	return c.RuntimeParams
}

// direct adds what only Postgres itself takes from a client, and no pooler.
func direct(c *pgx.ConnConfig) {
	for _, all := range []map[string]string{limits(), session()} {
		for key, value := range all {
			parameters(c)[key] = value
		}
	}
}

// through is for a pooler that gives a connection for a transaction: no statement is kept on it.
func through(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe }

// connect makes the pools. It connects to nothing yet.
func (s *Store) connect(ctx context.Context) error {
	c, err := parse(s.options.URL)
	if err != nil {
		return err
	}
	if s.pooled {
		through(c.ConnConfig)
	} else {
		direct(c.ConnConfig)
	}
	hot, rivers := c.Copy(), c.Copy()
	c.MaxConns, hot.MaxConns, rivers.MaxConns = poolSize, hotSize, riverSize
	if !s.pooled {
		// River changes the states of thousands of jobs in one statement, and then looks for those it did
		// not find: without a hash, by comparing each with each.
		parameters(rivers.ConnConfig)["enable_hashjoin"] = "on"
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if s.hot, err = pgxpool.NewWithConfig(ctx, hot); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if s.rivers, err = pgxpool.NewWithConfig(ctx, rivers); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	return nil
}

// directConfig is for connections that belong to us alone, and to no pooler: for advisory locks and migrations.
func (s *Store) directConfig() (*pgxpool.Config, error) {
	url := s.options.URL
	if s.pooled {
		url = s.options.LockURL
	}
	c, err := parse(url)
	if err != nil {
		return nil, err
	}
	direct(c.ConnConfig)
	return c, nil
}

// dialer notices within seconds that a server is gone that cannot say so.
func dialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3},
		Control:         impatient,
	}
}
