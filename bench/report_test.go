package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample1() *report {
	r := newReport(context.Background(), options{parts: "calls", short: true})
	r.add("calls", "CreateTask", "1/s", map[string]float64{onSQLite: 5123.4, theLimit: 10_000, thePeer: 1700})
	r.add("calls", "of the peer's", "times", map[string]float64{onSQLite: 3.01}, must{column: onSQLite, least: 3})
	r.add("size", "memory", "MiB", map[string]float64{onSQLite: 61}, must{column: onSQLite, most: 60})
	r.add("size", "both", "MiB", map[string]float64{onSQLite: 1, onPostgres: 70}, must{column: onSQLite, most: 60}, must{column: onPostgres, most: 60})
	r.add("size", "absent", "MiB", map[string]float64{onSQLite: 1}, must{column: onPostgres, most: 60})
	r.note("Postgres was not measured.")
	return r
}

func TestTableIsMarkdownThatIsAligned(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(sample1().table()), "\n")
	require.Len(t, lines, 2+2+5+2)
	for _, line := range lines[:9] {
		require.Equal(t, strings.Count(lines[0], "|"), strings.Count(line, "|"), line)
		require.Len(t, []rune(line), len([]rune(lines[0])), line)
	}
	require.Contains(t, lines[3], "|   5123 |")
	require.Contains(t, lines[3], "|    10000 |")
	require.Contains(t, lines[4], "SQLite ≥ 3")
	require.Equal(t, "- Postgres was not measured.", lines[10])
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	rows := sample1().Rows
	require.Nil(t, rows[0].Met, "nothing must be")
	require.True(t, *rows[1].Met)
	require.False(t, *rows[2].Met)
	require.False(t, *rows[3].Met, "all of them must be met")
	require.True(t, must{none: true}.met(0))
	require.False(t, must{none: true}.met(1))
	require.Nil(t, rows[4].Met, "what was not measured is neither met nor missed")
}

func TestNumbersHaveThreeDigitsThatCount(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 3: "3", 0.125: "0.12", 2.5: "2.50", 17.26: "17.3", 99.96: "100.0", 5123.4: "5123"} {
		require.Equal(t, want, number(v))
	}
}

func TestReportAsJSON(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out.json")
	require.NoError(t, sample1().writeJSON(path))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var back report
	require.NoError(t, json.Unmarshal(raw, &back))
	require.Len(t, back.Rows, 5)
	require.InDelta(t, 5123.4, back.Rows[0].Values[onSQLite], 0)
	require.Equal(t, "make bench BENCH='calls' BENCHFLAGS=-short", back.Command)
}

func TestDocumentIsRewrittenBetweenItsMarkers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "performance.md")
	for _, before := range []string{"", "an old table\n"} {
		require.NoError(t, os.WriteFile(path, []byte("# Title\n"+beginTable+before+endTable+"\nmore\n"), 0o600))
		for range 2 {
			require.NoError(t, rewrite(path, "| a |"))
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "# Title\n"+beginTable+"\n| a |\n"+endTable+"\nmore\n", string(raw))
		}
	}
	require.NoError(t, os.WriteFile(path, []byte("# Title\n"), 0o600))
	require.ErrorContains(t, rewrite(path, "| a |"), "no markers")
}

func TestTheProjectsDocumentHasMarkers(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../docs/performance.md")
	require.NoError(t, err)
	begin, end := strings.Index(string(raw), beginTable), strings.Index(string(raw), endTable)
	require.Positive(t, begin)
	require.Greater(t, end, begin)
}
