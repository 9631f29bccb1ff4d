package flyte_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// dial returns a client of the section, closed with the test.
func dial(t *testing.T, cfg flyte.AdminConfig) *flyte.Client {
	t.Helper()
	c, err := flyte.Dial(t.Context(), cfg, console)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// unused returns a loopback address that nobody listens on.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestADialedClientReadsAnExecution(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	for _, address := range []string{endpoint, strings.TrimPrefix(endpoint, "dns:///")} {
		c := dial(t, section(t, map[string]any{"endpoint": address, "insecure": true}))
		x, err := c.Execution(t.Context(), execution("a"))
		require.NoError(t, err)
		require.Equal(t, facts("a"), x)
	}
}

func TestAnUnreachableFlyteadminIsAnErrorOfTheCallsOnly(t *testing.T) {
	t.Parallel()
	address := unused(t)
	c := dial(t, section(t, map[string]any{"endpoint": address, "insecure": true, "maxBackoffDelay": "10ms"}))
	require.Equal(t, codes.Unavailable, status.Code(c.Ping(t.Context())))
	_, stop, err := flytesim.New().Start(address)
	require.NoError(t, err)
	t.Cleanup(stop)
	require.Eventually(t, func() bool { return c.Ping(t.Context()) == nil }, 20*time.Second, 10*time.Millisecond)
}

func TestASectionThatCannotWorkIsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	garbage := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(garbage, []byte("no certificate"), 0o600))
	for want, cfg := range map[string]flyte.AdminConfig{
		"ca.pem":                       {Endpoint: "a:1", CACertFilePath: garbage},
		"no such file":                 {Endpoint: "a:1", CACertFilePath: garbage + ".missing"},
		"service config":               {Endpoint: "a:1", Insecure: true, DefaultServiceConfig: "{"},
		"admin section: endpoint: req": {},
		"admin section: maxRetries":    {Endpoint: "a:1", MaxRetries: -1},
	} {
		_, err := flyte.Dial(t.Context(), cfg, "")
		require.ErrorContains(t, err, want)
	}
	_, err := flyte.Dial(t.Context(), flyte.AdminConfig{MaxRetries: -1}, "")
	var problems *flyte.ConfigError
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems.Problems, 2)
}

func TestAServiceConfigIsUsed(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	s.SetFault("ListProjects", flytesim.Fault{Hang: true})
	c := dial(t, section(t, map[string]any{
		"endpoint": endpoint, "insecure": true,
		"defaultServiceConfig": `{"methodConfig": [{"name": [{}], "timeout": "0.05s"}]}`,
	}))
	require.Equal(t, codes.DeadlineExceeded, status.Code(c.Ping(t.Context())))
}

func TestAnAnswerBeyondTheDefaultLimitOfGRPCIsRead(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	big := trained("a")
	big.Labels = map[string]string{"big": strings.Repeat("x", 5<<20)}
	s.Create(big)
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	c := dial(t, section(t, map[string]any{"endpoint": endpoint, "insecure": true}))
	_, err = c.Execution(t.Context(), execution("a"))
	require.NoError(t, err)
	small := dial(t, section(t, map[string]any{"endpoint": endpoint, "insecure": true, "maxMessageSizeBytes": 1000}))
	_, err = small.Execution(t.Context(), execution("a"))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

func TestTLSIsTheDefault(t *testing.T) {
	t.Parallel()
	endpoint, stop, err := flytesim.New().Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	c := dial(t, section(t, map[string]any{"endpoint": endpoint}))
	require.Equal(t, codes.Unavailable, status.Code(c.Ping(t.Context())), "the server speaks no TLS")
}
