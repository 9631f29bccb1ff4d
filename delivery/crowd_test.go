package delivery

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// crowded is a crowd of two places, both taken.
func crowded(t *testing.T, perSecond float64) *crowd {
	c := newCrowd(2, perSecond)
	for range 2 {
		again, ok := c.enter(t.Context(), party{})
		require.True(t, ok)
		require.Zero(t, again)
	}
	return c
}

func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

func TestCrowdLetsSomebodyInWhenAnotherLeaves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 0)
		time.AfterFunc(300*time.Millisecond, c.leave)
		begin := time.Now()
		_, ok := c.enter(t.Context(), party{})
		require.True(t, ok)
		require.Equal(t, 300*time.Millisecond, time.Since(begin))
	})
}

func TestCrowdSendsAwayWhereNothingMoves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 0)
		begin := time.Now()
		again, ok := c.enter(t.Context(), party{})
		require.False(t, ok)
		require.GreaterOrEqual(t, again, leastLater)
		require.Equal(t, standstill, time.Since(begin))
		<-time.After(time.Millisecond)
		begin = time.Now()
		_, ok = c.enter(t.Context(), party{})
		require.False(t, ok)
		require.Zero(t, time.Since(begin), "nobody waits where nobody left for long")
	})
}

func TestCrowdEndsWaitingWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		again, ok := c.enter(ctx, party{})
		require.False(t, ok)
		require.Zero(t, again, "another server may take it at once")
		require.False(t, c.idle())
		c.leave()
		c.leave()
		require.True(t, c.idle())
	})
}

func TestCrowdHasThemComeBackOneAfterTheOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 10)
		require.Equal(t, leastLater, c.later(0, party{}))
		require.Equal(t, leastLater+100*time.Millisecond, c.later(0, party{}))
		require.Equal(t, leastLater+200*time.Millisecond, c.later(0, party{}))
		require.Equal(t, time.Minute, c.later(time.Minute, party{}))
		require.Equal(t, time.Minute+100*time.Millisecond, c.later(time.Second, party{}))
		for range 10_000 {
			require.LessOrEqual(t, c.later(0, party{}), mostLater)
		}
		require.Equal(t, time.Hour, c.later(time.Hour, party{}), "what the service wants goes before")
	})
}

func TestCrowdAdaptsToHowFastItMoves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 0)
		for range 1000 { // slow, and full all the time
			<-time.After(3 * time.Millisecond)
			c.leave()
			require.True(t, c.places.wait(t.Context(), party{}, nil))
		}
		require.InDelta(t, 2*time.Millisecond, c.pace, float64(200*time.Microsecond))
		for range 1000 {
			c.later(0, party{})
		}
		ahead := time.Until(c.next[party{}])
		require.Greater(t, ahead, time.Second)
		c.leave()
		for range 1000 { // there is room: too few come back
			c.leave()
			_, ok := c.enter(t.Context(), party{})
			require.True(t, ok)
			<-time.After(3 * time.Millisecond)
		}
		require.Equal(t, fastest, c.pace)
		require.Less(t, time.Until(c.next[party{}]), leastLater)
	})
}

func TestAPartyIsBehindItsOwnOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 1)
		noisy, quiet := party{project: "noisy"}, party{project: "quiet"}
		for range 1000 {
			c.later(0, noisy)
		}
		require.Equal(t, leastLater, c.later(0, quiet))
		require.Equal(t, leastLater+time.Second, c.later(0, quiet))
		require.Equal(t, leastLater, c.later(0, party{project: "noisy", reminder: true}))
		require.Equal(t, mostLater, c.later(0, noisy))
	})
}

func TestPartiesShareThePace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 0)
		for i := range 10 {
			c.later(time.Second, party{project: fmt.Sprint(i)})
		}
		first := party{project: "0"}
		require.Equal(t, time.Second+c.pace, c.later(0, first), "it was alone")
		require.Equal(t, time.Second+11*c.pace, c.later(0, first))
		<-time.After(time.Minute)
		c.later(0, first)
		require.Equal(t, leastLater+slowest, c.later(0, first), "the others are done")
		require.Len(t, c.next, 1)
	})
}
