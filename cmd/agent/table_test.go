package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// On a terminal the state has a color, and the columns stand as they do without.
func TestColorsKeepTheColumns(t *testing.T) {
	t.Parallel()
	draw := func(color bool) string {
		var out bytes.Buffer
		tab := &table{out: tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0), color: color}
		tab.row("", "ID", "STATE", "RULE")
		tab.row("dead", "d1", "dead", "delivered")
		tab.row("silenced", "delivered-long-id", "silenced", "x")
		require.NoError(t, tab.flush())
		return out.String()
	}
	colored := draw(true)
	require.Equal(t, 1, strings.Count(colored, "\x1b[31mdead"), "the state")
	require.NotContains(t, colored, "\x1b[32m", "not a rule that is called as another state")
	bare := regexp.MustCompile(`\x1b\[[0-9]*m`).ReplaceAllString(colored, "")
	require.Equal(t, draw(false), bare)
}

func TestCells(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a b c", brief("a\n\tb\x07c\x7f", 60), "one line")
	require.Equal(t, "a 31mb", brief("a\u009b31mb\u202e", 10), "nothing that moves a terminal's cursor or turns its text")
	require.Equal(t, "éé…", brief("éééé", 3))
	now := time.Now()
	require.Equal(t, "1m30s ago", ago(now.Add(-90*time.Second), now))
	require.Equal(t, "-", ago(time.Time{}, now))
	require.Nil(t, timestamp(time.Time{}))
	require.Equal(t, "2026-11-22T09:33:00Z", *timestamp(time.Date(2026, 11, 22, 10, 33, 0, 0, time.FixedZone("", 3600))))
}
