package flytesim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// BenchmarkListByNames shows that 100 names of 300,000 executions are looked up, not searched.
func BenchmarkListByNames(b *testing.B) {
	s := flytesim.New()
	var names []string
	for i := range 300_000 {
		name := fmt.Sprintf("e%06d", i)
		s.Create(flytesim.Execution{ID: id(name), Workflow: "w"})
		if i%3000 == 0 {
			names = append(names, name)
		}
	}
	req := listReq("value_in(execution_name," + strings.Join(names, ";") + ")+value_in(state,0;1)")
	for b.Loop() {
		list, err := s.ListExecutions(b.Context(), req)
		require.NoError(b, err)
		require.Len(b, list.GetExecutions(), 100)
	}
}
