package notifier_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

func manifest(kind string) notifier.Manifest {
	return notifier.Manifest{
		Kind:        kind,
		Destination: func() notifier.Destination { return nil },
		New:         func(any, notifier.Deps) (notifier.BaseNotifier, error) { return nil, nil },
	}
}

func TestRegistryFindsInOrder(t *testing.T) {
	t.Parallel()
	r := notifier.NewRegistry(manifest("slack"), manifest("mail"))
	found, ok := r.Find("mail")
	require.True(t, ok)
	require.Equal(t, "mail", found.Kind)
	_, ok = r.Find("pager")
	require.False(t, ok)

	all := r.All()
	require.Equal(t, []string{"slack", "mail"}, []string{all[0].Kind, all[1].Kind})
	all[0].Kind = "changed"
	_, ok = r.Find("slack")
	require.True(t, ok, "the caller has a copy")
	require.Empty(t, notifier.NewRegistry().All())
}

func TestRegistrySaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	hook := manifest("hook")
	hook.Names = map[string]string{"gull": "hook, with format: gull"}
	r := notifier.NewRegistry(manifest("slack"), hook)
	require.Equal(t, "hook, with format: gull", r.Instead("gull"))
	require.Empty(t, r.Instead("hook"))
	require.Empty(t, r.Instead("owl"))
}

func TestRegistryPanicsOnMistakes(t *testing.T) {
	t.Parallel()
	bare := func(change func(*notifier.Manifest)) notifier.Manifest {
		m := manifest("x")
		change(&m)
		return m
	}
	require.PanicsWithValue(t, `notifier: kind "x" is registered twice`, func() { notifier.NewRegistry(manifest("x"), manifest("x")) })
	for _, m := range []notifier.Manifest{
		bare(func(m *notifier.Manifest) { m.Kind = "" }),
		bare(func(m *notifier.Manifest) { m.New = nil }),
		bare(func(m *notifier.Manifest) { m.Destination = nil }),
	} {
		require.Panics(t, func() { notifier.NewRegistry(m) })
	}
}

func TestProblemString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "send[0].slack: required", notifier.Problem{Path: "send[0].slack", Text: "required"}.String())
	require.Equal(t, "must be a mapping", notifier.Problem{Text: "must be a mapping"}.String())
}

func TestIsTemplate(t *testing.T) {
	t.Parallel()
	require.True(t, notifier.IsTemplate("#{{.Domain}}"))
	require.False(t, notifier.IsTemplate("#{.Domain}"))
	require.False(t, notifier.IsTemplate(""))
}
