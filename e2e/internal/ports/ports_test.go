package ports_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/ports"
)

func TestEveryPortIsFreeAndGivenOnce(t *testing.T) {
	a := ports.New()
	seen := map[string]bool{}
	for range 50 {
		address := a.Address(t)
		require.False(t, seen[address], address)
		seen[address] = true
		l, err := net.Listen("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, l.Close()) })
	}
}

func TestATakenPortIsPassedOver(t *testing.T) {
	taken := ports.New().Address(t)
	l, err := net.Listen("tcp", taken)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	require.NotEqual(t, taken, ports.New().Address(t))
}
