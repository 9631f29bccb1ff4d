package memo_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/memo"
)

// counted is a memo of the length, and how often that was asked for.
func counted(limit int) (*memo.Memo[int], *atomic.Int64) {
	var asked atomic.Int64
	return memo.New(limit, func(s string) int { asked.Add(1); return len(s) }), &asked
}

func TestWhatCameOnceIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	m, asked := counted(10)
	for range 3 {
		require.Equal(t, 3, m.Of("abc"))
		require.Equal(t, 0, m.Of(""))
	}
	require.EqualValues(t, 2, asked.Load())
}

func TestWhatIsUsedStays(t *testing.T) {
	t.Parallel()
	m, asked := counted(10)
	for i := range 1000 {
		m.Of("used")
		m.Of(fmt.Sprint("new", i))
	}
	require.EqualValues(t, 1001, asked.Load())
}

func TestWhatIsNotUsedGoes(t *testing.T) {
	t.Parallel()
	m, asked := counted(10)
	m.Of("once")
	for i := range 30 {
		m.Of(fmt.Sprint("new", i))
	}
	m.Of("once")
	require.EqualValues(t, 32, asked.Load())
}

func TestLongTextsAreNotRemembered(t *testing.T) {
	t.Parallel()
	m, asked := counted(10)
	short, long := strings.Repeat("x", 4<<10), strings.Repeat("x", 4<<10+1)
	for range 2 {
		require.Equal(t, len(short), m.Of(short))
		require.Equal(t, len(long), m.Of(long))
	}
	require.EqualValues(t, 3, asked.Load())
}

func TestManyMayAskAtOnce(t *testing.T) {
	t.Parallel()
	m, _ := counted(4)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 200 {
				text := strings.Repeat("y", (g+i)%20)
				if m.Of(text) != len(text) {
					t.Errorf("a wrong answer to %q", text)
				}
			}
		})
	}
	all.Wait()
}
