package main

import (
	"strings"
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
	for _, args := range [][]string{
		nil,
		{"--dry-run"},
		{"d1", "--rule", "x"},
		{"d1", "--all"},
		{"d1", "--dry-run"},
		{"--all", "--rule", "x"},
		{"--connection", "", "--project", "ml"},
		{"--error="},
		{"--since", "-24h"},
	} {
		got := w.on("redrive", args...)
		require.Equal(t, 2, got.code, args)
	}
}

// TestRedriveTellsNobodyInVain: of what is dead with its fallback, the message alone is sent again.
func TestRedriveTellsNobodyInVain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seed()
	const slow, late = "w1|f7k2|slow|running_for:1h|0|", "w1|f7k2|late|running_for:1h|0|"
	w.seedDead(map[string]string{
		"alert": "ops|1|ops[0]", "told": slow + "send[0]", "instead": slow + "fallback[0]",
		"raised": slow + "escalate[0].send[1]", "raised-instead": slow + "escalate[0].fallback[0]", "alone": late + "fallback[1]",
	})
	redriven := func(args ...string) (ids []string) {
		for line := range strings.Lines(w.on("redrive", append(args, "--dry-run")...).stdout) {
			ids = append(ids, strings.Fields(line)[0])
		}
		return ids
	}
	require.ElementsMatch(t, []string{"d1", "told", "raised", "alone"}, redriven("--all"))
	require.ElementsMatch(t, []string{"told", "raised", "alone"}, redriven("--error", "on purpose"))
	require.ElementsMatch(t, []string{"alert"}, redriven("--rule", "ops"))
	require.ElementsMatch(t, []string{"instead", "raised-instead", "alone"}, redriven("--connection", "fallback"))
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
	for _, args := range [][]string{{"--connection", ""}, {"--error="}, {"--since", "-24h"}} {
		require.Equal(t, 2, w.on("deliveries", args...).code, args)
	}
}
