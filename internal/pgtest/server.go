package pgtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options are how a server differs from Postgres as it comes.
type Options struct {
	NoSync   bool              // commits do not wait for the disk: only a crash of the machine would show it
	Settings map[string]string // of postgresql.conf
}

// Mode is how a server is stopped.
type Mode int

// The modes of Stop.
const (
	Fast      Mode = iota // transactions are rolled back
	Immediate             // like a crash, at once
	Killed                // a crash: only the main process is killed, its backends notice
)

// Server is one Postgres. Its methods are not for concurrent use, but for URL and Database.
type Server struct {
	given   string // the URL of a server that is not ours: it is never stopped
	bin     string
	dir     string // holds data/, log and nothing else
	port    int
	options Options
	guard   *watchdog
	origins sync.Map // name → func() (string, error), see Copy

	mu      sync.Mutex
	process *os.Process // nil while stopped
	done    chan struct{}
}

// New makes a server and starts it. ErrNone: there is no Postgres. The caller closes it.
func New(ctx context.Context, o Options) (*Server, error) {
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	// Nothing of a test's server is worth a sync before it runs.
	err = s.command(ctx, "initdb", "--pgdata", s.data(), "--username", user, "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync").run()
	if err == nil {
		err = s.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes the folder of a server.
func prepare(o Options) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for Postgres: %w", err)
	}
	s := &Server{bin: bin, dir: dir, options: o}
	if err := give(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if s.guard, err = watch(dir, s.data()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if s.port, err = freePort(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// user is whom clients connect as. The password is for tests of what shows passwords: it is not
// asked for.
const (
	user     = "tester"
	password = "a-password-nobody-may-see"
)

// freePort finds a port that nobody listens on. It is none of those that the system gives to
// connections, so that it is still free after the server was stopped for a while.
func freePort() (int, error) {
	const lowest, highest = 15000, 32000
	var err error
	for range 50 {
		port := lowest + rand.IntN(highest-lowest)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a port for Postgres: %w", err)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is that of a database; "" is the server's own.
func (s *Server) URL(database string) string {
	if s.given != "" {
		return within(s.given, database)
	}
	return URL(database, s)
}

// URL is that of a database of whichever of the servers takes writes.
func URL(database string, servers ...*Server) string {
	hosts := make([]string, 0, len(servers))
	for _, s := range servers {
		hosts = append(hosts, s.Addr())
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Host: strings.Join(hosts, ","),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	if database == "" {
		u.Path = "/postgres"
	}
	if len(servers) > 1 {
		u.RawQuery += "&target_session_attrs=read-write"
	}
	return u.String()
}

// within is a URL with another database.
func within(given, database string) string {
	u, err := url.Parse(given)
	if err != nil || database == "" {
		return given // Postgres's driver tells what is wrong with it
	}
	u.Path = "/" + database
	return u.String()
}

// Pid is the main process's.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.Pid
}

// Start starts the stopped server, and returns once it takes connections.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		before := s.log()
		err := s.launch(ctx)
		if err == nil {
			return nil
		}
		said := strings.TrimPrefix(s.log(), before)
		// After a crash the backends of before may still hold its memory.
		if ctx.Err() != nil || !strings.Contains(said, "still in use") {
			const most = 2000
			return fmt.Errorf("start Postgres: %w\n%s", err, said[max(0, len(said)-most):])
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// launch starts the process and waits for it to take connections or to end.
func (s *Server) launch(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own
	args := []string{"-D", s.data()}
	for key, value := range s.settings() {
		args = append(args, "-c", key+"="+value)
	}
	// Not of ctx: the server outlives the call that starts it.
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.dir, log, log, apart()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.mu.Lock()
	s.process, s.done = cmd.Process, done
	s.mu.Unlock()
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ends is for its log
	}()
	return s.awaitReady(ctx, done)
}

func (s *Server) settings() map[string]string {
	all := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": "",
		"max_connections":         "400",
		"max_wal_senders":         "4",
		"wal_level":               "replica",
		"hot_standby":             "on",
	}
	if s.options.NoSync {
		all["fsync"], all["full_page_writes"] = "off", "off"
	}
	for key, value := range s.options.Settings {
		all[key] = value
	}
	return all
}

func (s *Server) awaitReady(ctx context.Context, done <-chan struct{}) error {
	for {
		conn, err := pgx.Connect(ctx, URL("", s))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-done:
			return errors.New("it ended")
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// log is what the server has said so far.
func (s *Server) log() string {
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return ""
	}
	return string(log)
}

// Stop stops the server and returns once the process is gone.
func (s *Server) Stop(mode Mode) error {
	s.mu.Lock()
	process, done := s.process, s.done
	s.process = nil
	s.mu.Unlock()
	if process == nil {
		return nil
	}
	signal := map[Mode]syscall.Signal{Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT, Killed: syscall.SIGKILL}[mode]
	if err := process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	select {
	case <-done:
		return nil
	case <-time.After(patience):
		return errors.Join(errors.New("stop Postgres: it does not end"), process.Kill())
	}
}

// Restart stops and starts the server.
func (s *Server) Restart(ctx context.Context, mode Mode) error {
	if err := s.Stop(mode); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Close stops the server for good and removes its folder.
func (s *Server) Close() error {
	err := s.Stop(Immediate)
	err = errors.Join(err, os.RemoveAll(s.dir))
	if s.guard != nil {
		err = errors.Join(err, s.guard.close())
	}
	return err
}
