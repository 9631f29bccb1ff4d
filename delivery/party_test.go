package delivery

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func anyRoom(int, int) (func(), bool) { return func() {}, true }

// lined is one place that is taken, and those who wait for it in this order.
func lined(t *testing.T, all ...party) (p *places, served func(n int) []party) {
	t.Helper()
	p = newPlaces(1)
	require.True(t, p.wait(t.Context(), party{}, nil))
	var mu sync.Mutex
	var got []party
	for _, who := range all {
		go func() {
			if p.wait(t.Context(), who, anyRoom) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, who)
			}
		}()
		synctest.Wait()
	}
	return p, func(n int) []party {
		for range n {
			p.leave()
			synctest.Wait()
		}
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

func TestPartiesTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		noisy, quiet, other := party{project: "noisy"}, party{project: "quiet"}, party{project: "quiet", domain: "other"}
		p, served := lined(t, noisy, noisy, noisy, quiet, other, quiet)
		require.Equal(t, []party{noisy, quiet, other, noisy, quiet, noisy}, served(6))
		p.leave()
		require.Zero(t, p.busy())
		require.Empty(t, p.waiting)
		require.Zero(t, p.all)
	})
}

// TestWhoWasServedComesBehind has somebody wait alone each time, who is first for that.
func TestWhoWasServedComesBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		noisy, quiet := party{project: "noisy"}, party{project: "quiet"}
		p, served := lined(t, noisy)
		served(1)
		var order []party
		for _, who := range []party{noisy, quiet} {
			go func() {
				p.wait(t.Context(), who, anyRoom)
				order = append(order, who)
				p.leave()
			}()
			synctest.Wait()
		}
		p.leave()
		synctest.Wait()
		require.Equal(t, []party{quiet, noisy}, order)
	})
}

func TestRemindersComeLastButForTheirShare(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		reminder, fresh := party{project: "p", reminder: true}, party{project: "p"}
		all := slices.Concat(slices.Repeat([]party{reminder}, 10), slices.Repeat([]party{fresh}, 25))
		_, served := lined(t, all...)
		got := served(35)
		for i, who := range got {
			require.Equal(t, i == 9 || i == 19 || i >= 27, who.reminder, i)
		}
	})
}

func TestWhoGivesUpTakesNoTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := party{project: "a"}, party{project: "b"}
		p, served := lined(t, b, b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		left := false
		require.False(t, p.wait(ctx, a, func(own, all int) (func(), bool) {
			require.Zero(t, own)
			require.Equal(t, 2, all)
			return func() { left = true }, true
		}))
		require.True(t, left)
		require.False(t, p.wait(t.Context(), b, func(own, all int) (func(), bool) {
			require.Equal(t, 2, own)
			return nil, false
		}))
		require.Equal(t, []party{b, b}, served(2))
		p.leave()
		require.Zero(t, p.busy())
	})
}

func TestPartiesAreForgottenOnceTheyAreMany(t *testing.T) {
	t.Parallel()
	p := newPlaces(1)
	for i := range 3 * manyParties {
		require.True(t, p.wait(t.Context(), party{project: string(rune(i))}, nil))
		p.leave()
		require.LessOrEqual(t, len(p.served), manyParties)
	}
}
