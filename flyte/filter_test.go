package flyte

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheFilterIsExactlyWhatFlyteadminUnderstands(t *testing.T) {
	t.Parallel()
	paris := time.FixedZone("Paris", 3600)
	for want, tc := range map[string]struct {
		names []string
		since time.Time
	}{
		"value_in(execution_name,a)+value_in(state,0;1)": {names: []string{"a"}},
		"value_in(execution_name,a;b-1;c)+value_in(state,0;1)": {
			names: []string{"a", "b-1", "c"},
		},
		"value_in(execution_name,a)+value_in(state,0;1)+gte(updated_at,2026-11-22T09:30:15.123456Z)": {
			names: []string{"a"}, since: time.Date(2026, 11, 22, 10, 30, 15, 123456789, paris),
		},
		"value_in(execution_name,a)+value_in(state,0;1)+gte(updated_at,2026-11-22T10:00:00.000000Z)": {
			names: []string{"a"}, since: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		},
		"value_in(execution_name,a;b)+value_in(state,0;1)": {
			names: []string{"a", "x;y", "x)+eq(phase,FAILED", "", "ä", "x y", "x,y", "x\n", "x\xff", "b"},
		},
	} {
		filter, n := listFilter(tc.names, tc.since)
		require.Equal(t, want, filter)
		require.Equal(t, strings.Count(strings.SplitN(filter, ")", 2)[0], ";")+1, n)
	}
}

func TestValidNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "f3c9b1", "ab-cd-12", "A_b.c", strings.Repeat("x", 255)} {
		require.True(t, ValidName(name), "%q", name)
	}
	for _, name := range []string{"", "a;b", "a+b", "a,b", "a(b", "a)b", "a b", "a/b", "a%b", "a'b", "a\x00", "é", "\xff", strings.Repeat("x", 256)} {
		require.False(t, ValidName(name), "%q", name)
	}
}

func FuzzFilterHoldsOnlyNames(f *testing.F) {
	f.Add("a", "b;c")
	f.Add("x)+eq(phase,FAILED", "\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		filter, n := listFilter([]string{a, b, "last"}, time.Time{})
		list, ok := strings.CutSuffix(filter, ")+value_in(state,0;1)")
		require.True(t, ok)
		list, ok = strings.CutPrefix(list, "value_in(execution_name,")
		require.True(t, ok)
		require.NotContains(t, list, "+")
		names := strings.Split(list, ";")
		require.Len(t, names, n)
		require.Equal(t, "last", names[n-1])
		for _, name := range names {
			require.True(t, ValidName(name))
		}
	})
}
