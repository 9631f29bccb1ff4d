package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedriveByFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seed()
	for _, none := range [][]string{
		{"--connection", "mail"},
		{"--rule", "x"},
		{"--project", "x"},
		{"--domain", "x"},
		{"--error", "invalid_auth"},
		{"--since", "1ns"},
		{"--connection", "team-slack", "--error", "invalid_auth"},
	} {
		got := w.on("redrive", none...)
		require.Equal(t, 0, got.code, got.stderr)
		require.Empty(t, got.stdout, none)
	}
	got := w.on("redrive", "--dry-run", "--connection", "team-slack", "--rule", "failed", "--project", "ml", "--domain", "production", "--error", "not_found")
	require.Equal(t, result{stdout: "d1 would be pending again\n"}, got)
	require.Equal(t, "d1 would be pending again\n", w.on("redrive", "--all", "--dry-run").stdout)
	require.Equal(t, "d1 is pending again\n", w.on("redrive", "--error", "channel_not_found").stdout)
	require.Empty(t, w.on("redrive", "--all").stdout, "once only")
}

func TestRedriveMustBeToldWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, args := range [][]string{nil, {"--dry-run"}, {"d1", "--rule", "x"}, {"d1", "--all"}, {"d1", "--dry-run"}, {"--all", "--rule", "x"}} {
		got := w.on("redrive", args...)
		require.Equal(t, 2, got.code, args)
		require.Contains(t, got.stderr, "redrive ")
	}
}

func TestDeliveriesByFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seed()
	count := func(args ...string) int {
		got := w.on("deliveries", append(args, "--json")...)
		require.Equal(t, 0, got.code, got.stderr)
		return len(lines(t, got.stdout))
	}
	require.Equal(t, 3, count("--project", "ml", "--connection", "team-slack"))
	require.Equal(t, 1, count("--error", "channel_not_found"))
	require.Equal(t, 0, count("--domain", "staging"))
	require.Equal(t, 2, count("--rule", "failed", "--limit", "2"))
	require.Equal(t, 1, count("--state", "dead", "--rule", "failed", "--limit", "2"))
}
