package notifier_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

func TestLines(t *testing.T) {
	t.Parallel()
	require.Equal(t, "  a\n\nb", notifier.Lines("\r\n\n  a\x00\n\nb \t\n\n"))
	require.Empty(t, notifier.Lines(" \n\t\n"))
}

func TestCutMiddleKeepsBothEnds(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Repeat("é", 100), notifier.CutMiddle(strings.Repeat("é", 100), 100))
	got := notifier.CutMiddle("first"+strings.Repeat("é", 1000)+"last", 100)
	require.LessOrEqual(t, utf8.RuneCountInString(got), 100)
	require.Regexp(t, `^firsté+\n… \(\d+ characters cut\) …\né+last$`, got)
	kept := strings.Count(got, "é") + len("firstlast")
	require.Contains(t, got, fmt.Sprintf("(%d characters cut)", 1009-kept))
}

// TestCutMiddleTearsNoWord: whatever is cut, each word that is left was there, and the count is right.
func TestCutMiddleTearsNoWord(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "%d https://x.example.org/executions/f%d\n", i, i)
	}
	whole := strings.TrimSpace(text.String())
	words := strings.Fields(whole)
	for most := 200; most < len(whole); most += 7 {
		got := notifier.CutMiddle(whole, most)
		require.LessOrEqual(t, utf8.RuneCountInString(got), most)
		head, rest, _ := strings.Cut(got, "\n… (")
		number, tail, _ := strings.Cut(rest, " characters cut) …\n")
		require.Equal(t, fmt.Sprint(len(whole)-len(head)-len(tail)), number)
		require.Subset(t, words, append(strings.Fields(head), strings.Fields(tail)...))
		require.Greater(t, len(got), most/2)
	}
}
