package delivery

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// crowded is a crowd of two places, both taken.
func crowded(t *testing.T, perSecond float64) *crowd {
	c := newCrowd(2, perSecond)
	for range 2 {
		again, ok := c.enter(t.Context())
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
		_, ok := c.enter(t.Context())
		require.True(t, ok)
		require.Equal(t, 300*time.Millisecond, time.Since(begin))
	})
}

func TestCrowdSendsAwayWhereNothingMoves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 0)
		begin := time.Now()
		again, ok := c.enter(t.Context())
		require.False(t, ok)
		require.GreaterOrEqual(t, again, leastLater)
		require.Equal(t, standstill, time.Since(begin))
		<-time.After(time.Millisecond)
		begin = time.Now()
		_, ok = c.enter(t.Context())
		require.False(t, ok)
		require.Zero(t, time.Since(begin), "nobody waits where nobody left for long")
	})
}

func TestCrowdEndsWaitingWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		again, ok := c.enter(ctx)
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
		require.Equal(t, leastLater, c.later(0))
		require.Equal(t, leastLater+100*time.Millisecond, c.later(0))
		require.Equal(t, leastLater+200*time.Millisecond, c.later(0))
		require.Equal(t, time.Minute, c.later(time.Minute))
		require.Equal(t, time.Minute+100*time.Millisecond, c.later(time.Second))
		for range 10_000 {
			require.LessOrEqual(t, c.later(0), mostLater)
		}
		require.Equal(t, time.Hour, c.later(time.Hour), "what the service wants goes before")
	})
}

func TestCrowdAdaptsToHowFastItMoves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := crowded(t, 0)
		for range 1000 { // slow, and full all the time
			<-time.After(3 * time.Millisecond)
			c.leave()
			c.places <- struct{}{}
		}
		require.InDelta(t, 2*time.Millisecond, c.pace, float64(200*time.Microsecond))
		for range 1000 {
			c.later(0)
		}
		ahead := time.Until(c.next)
		require.Greater(t, ahead, time.Second)
		c.leave()
		for range 1000 { // there is room: too few come back
			c.leave()
			_, ok := c.enter(t.Context())
			require.True(t, ok)
			<-time.After(3 * time.Millisecond)
		}
		require.Equal(t, fastest, c.pace)
		require.Less(t, time.Until(c.next), leastLater)
	})
}
