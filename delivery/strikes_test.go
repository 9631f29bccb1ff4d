package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStrikesOfDeliveriesThatOthersSettledAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var s strikes
		for i := range manyStrikes {
			require.Equal(t, 1, s.add(fmt.Sprint("d", i)))
		}
		require.Equal(t, 2, s.add("d0"), "these are young")
		swept := s.swept
		<-time.After(sweepEvery)
		require.Equal(t, 1, s.add("another"))
		require.Equal(t, swept, s.swept, "and are looked through once a minute")
		<-time.After(oldStrike - sweepEvery)
		require.Equal(t, 3, s.add("d0"))
		<-time.After(2 * sweepEvery)
		require.Equal(t, 1, s.add("new"))
		require.Len(t, s.all, 2, "others are forgotten")
		require.Equal(t, 4, s.add("d0"))
		s.clear("d0")
		require.Equal(t, 1, s.add("d0"))
	})
}

func TestWhatWasAskedAboutIsForgottenOnceAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var a asked
		for i := range manyAsked {
			a.note(fmt.Sprint("d", i))
		}
		<-time.After(askedFor / 2)
		a.note("d0") // looks through all, and they are young
		swept := a.swept
		<-time.After(askedFor / 2)
		a.note("d1")
		require.Equal(t, swept, a.swept)
		<-time.After(askedFor)
		a.note("new")
		require.Len(t, a.at, 1)
	})
}
