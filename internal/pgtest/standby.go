package pgtest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// standbyName is what a standby calls itself.
const standbyName = "standby"

// Standby makes a second server that follows this one, and from then on every commit of this one
// waits for it. The caller closes it.
func (s *Server) Standby(ctx context.Context) (*Server, error) {
	standby, err := prepare(s.options)
	if err != nil {
		return nil, err
	}
	if err := s.copyTo(ctx, standby); err != nil {
		return nil, errors.Join(fmt.Errorf("make a standby: %w", err), standby.Close())
	}
	return standby, nil
}

func (s *Server) copyTo(ctx context.Context, standby *Server) error {
	from := fmt.Sprintf("host=127.0.0.1 port=%d user=%s application_name=%s", s.port, user, standbyName)
	err := standby.command(ctx, "pg_basebackup", "--pgdata", standby.data(), "--dbname", from,
		"--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync").run()
	if err != nil {
		return err
	}
	if err := standby.Start(ctx); err != nil {
		return err
	}
	for _, query := range []string{
		"ALTER SYSTEM SET synchronous_standby_names = '" + standbyName + "'", "SELECT pg_reload_conf()",
	} {
		if err := s.Exec(ctx, query); err != nil {
			return err
		}
	}
	const follows = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
	return s.await(ctx, follows, "1")
}

// Promote makes a standby the server that takes writes. Nothing waits for another standby any more.
func (s *Server) Promote(ctx context.Context) error {
	for _, query := range []string{
		"SELECT pg_promote()", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()",
	} {
		if err := s.Exec(ctx, query); err != nil {
			return fmt.Errorf("promote: %w", err)
		}
	}
	return s.await(ctx, "SELECT pg_is_in_recovery()", "f")
}

// await asks until the answer is the wanted one.
func (s *Server) await(ctx context.Context, query, want string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		got, err := s.value(ctx, query)
		if err == nil && got == want {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for %q to be %s: it is %q", query, want, got), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
