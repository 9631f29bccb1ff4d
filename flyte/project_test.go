package flyte_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func TestActiveProjectsAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	states := []string{"ARCHIVED", "SYSTEM_GENERATED", "SYSTEM_ARCHIVED", "ARCHIVED"}
	want := []flyte.Project{}
	for i := range 250 {
		id := fmt.Sprintf("p%03d", i)
		s.AddProject(id)
		if i%3 == 0 {
			s.SetProjectState(id, states[i%len(states)])
			continue
		}
		want = append(want, flyte.Project{ID: id, Domains: []string{"development", "staging", "production"}})
	}
	got, err := newClient(t, s).Projects(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, 3, s.Calls()["ListProjects"])
	none, err := newClient(t, flytesim.New()).Projects(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
}
