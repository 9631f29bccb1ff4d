package netns_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/netns"
)

// dial connects from inside to a listener at the link's outside, and says how long it took.
func dial(n *netns.Namespace, l net.Listener) error {
	host, port, _ := net.SplitHostPort(l.Addr().String())
	return n.Command("timeout", "0.5", "bash", "-c", "exec 3<>/dev/tcp/"+host+"/"+port).Run()
}

func listen(t *testing.T, link *netns.Link) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(link.Outside.String(), "0"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			_ = conn.Close()
		}
	}()
	return l
}

func TestACutLinkSwallowsEverythingAndOthersDoNot(t *testing.T) {
	t.Parallel()
	n := netns.New(t)
	one, two := n.Link(), n.Link()
	first, second := listen(t, one), listen(t, two)
	require.NoError(t, dial(n, first))
	one.Cut()
	require.ErrorContains(t, dial(n, first), "124", "timeout's own status: nothing was refused")
	require.NoError(t, dial(n, second))
	one.Mend()
	require.NoError(t, dial(n, first))
}

// A connection that stays open while its link is cut is not told: what was written comes later.
func TestConnectionsOutliveACut(t *testing.T) {
	t.Parallel()
	n := netns.New(t)
	link := n.Link()
	l, err := net.Listen("tcp", net.JoinHostPort(link.Outside.String(), "0"))
	require.NoError(t, err)
	defer l.Close()
	host, port, _ := net.SplitHostPort(l.Addr().String())
	cmd := n.Command("bash", "-c", "exec 3<>/dev/tcp/"+host+"/"+port+"; head -n 1 <&3")
	said := &strings.Builder{}
	cmd.Stdout = said
	require.NoError(t, cmd.Start())
	conn, err := l.Accept()
	require.NoError(t, err)
	defer conn.Close()
	link.Cut()
	_, err = io.WriteString(conn, "hello\n")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout", "neither an end nor a reset")
	link.Mend()
	require.NoError(t, cmd.Wait())
	require.Equal(t, "hello\n", said.String())
}
