package delivery //nolint:testpackage // what notes calls is not exported

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACallIsNotedHoweverItIsMade(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	client := server.Client()
	get := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
	dial := func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
		if err != nil {
			return err
		}
		return conn.Close()
	}
	for name, call := range map[string]func(context.Context) error{
		"request": get, "request on the same connection": get, "dialogue": dial,
	} {
		var c called
		ctx := c.during(t.Context())
		require.False(t, c.done.Load(), name)
		require.NoError(t, call(ctx), name)
		require.True(t, c.done.Load(), name)
	}
}
