package flyte_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

func TestEveryNameIsInOneShard(t *testing.T) {
	t.Parallel()
	for of := 1; of <= flyte.Buckets; of *= 2 {
		counts := make([]int, of)
		for i := range 2000 {
			name := fmt.Sprintf("a%019d", i)
			for index := range of {
				if (flyte.Shard{Index: index, Of: of}).Has(name) {
					counts[index]++
				}
			}
		}
		total := 0
		for _, n := range counts {
			total += n
			require.Less(t, n, 2000*2/of+30, "shards are about as large as each other")
		}
		require.Equal(t, 2000, total)
	}
}

func TestBucketsNeverChange(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{197, 44, 118}, []int{flyte.Bucket(""), flyte.Bucket("a"), flyte.Bucket("f3b9d0c6a5e14f2b8d77")},
		"stores hold them")
}

func TestShardsInWords(t *testing.T) {
	t.Parallel()
	s := flyte.Scope{Project: "ml", Domain: "production"}
	require.Equal(t, "ml/production", flyte.Shard{Scope: s, Of: 1}.String())
	require.Equal(t, "ml/production 1/4", flyte.Shard{Scope: s, Index: 1, Of: 4}.String())
}
