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
		<-time.After(oldStrike)
		require.Equal(t, 3, s.add("d0"))
		<-time.After(time.Second)
		require.Equal(t, 1, s.add("new"))
		require.Len(t, s.all, 2)
		require.Equal(t, 4, s.add("d0"))
		s.clear("d0")
		require.Equal(t, 1, s.add("d0"))
	})
}
