package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCostOfAProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("costs are read from /proc, which is not here")
	}
	p, err := start(filepath.Join(t.TempDir(), "log"), "sleep", "60")
	require.NoError(t, err)
	c, err := p.cost()
	require.NoError(t, err)
	require.Positive(t, c.memory)
	require.Less(t, c.cpu, time.Second)
	p.stop()
	_, err = p.cost()
	require.Error(t, err)
}

func TestCPUIsUserAndSystem(t *testing.T) {
	t.Parallel()
	cpu, err := cpuOf("42 (a (strange) name) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0")
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, cpu)
	for _, bad := range []string{"", "42 (x) S 1", "42 (x) S 1 2 3 4 5 6 7 8 9 10 a 50 0", "42 (x) S 1 2 3 4 5 6 7 8 9 10 1 b 0"} {
		_, err := cpuOf(bad)
		require.Error(t, err, bad)
	}
}

func TestAwaitTellsWhatAProcessSaidLast(t *testing.T) {
	t.Parallel()
	p, err := start(filepath.Join(t.TempDir(), "log"), "sh", "-c", "echo no such option; exit 2")
	require.NoError(t, err)
	err = p.await(t.Context(), func(context.Context) error { return errors.New("not yet") })
	require.ErrorContains(t, err, "no such option")
	p.stop()
}

func TestFreeAddressesDiffer(t *testing.T) {
	t.Parallel()
	first, second, err := freeAddresses()
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.NotEqual(t, port(first), port(second))
}

func TestQuantilesAndMedians(t *testing.T) {
	t.Parallel()
	require.Zero(t, quantile(nil, 0.99))
	require.Zero(t, median(nil))
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration((i*37)%100)*time.Millisecond)
	}
	require.Equal(t, 50*time.Millisecond, quantile(all, 0.5))
	require.Equal(t, 99*time.Millisecond, quantile(all, 0.99))
	require.Equal(t, 99*time.Millisecond, quantile(all, 1))
	require.InDelta(t, 2, median([]float64{3, 1, 2}), 0)
	require.InDelta(t, 1.5, milliseconds(1500*time.Microsecond), 0)
	require.InDelta(t, 1.5, microseconds(1500*time.Nanosecond), 0)
}
