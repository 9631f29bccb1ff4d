package flyte

import (
	"testing"

	"github.com/flyteorg/flyte/flyteidl/clients/go/admin"
	"github.com/stretchr/testify/require"
)

func TestATokenThatAnotherCallRenewedIsNotRenewedAgain(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(&admin.Config{}, nil)
	refused := &credential{}
	a.current.Store(&credential{})
	require.NoError(t, a.renew(t.Context(), refused), "no flow runs: there is nobody to ask")

	a.current.Store(refused)
	require.ErrorContains(t, a.renew(t.Context(), refused), "flyteidl's client failed", "a panic is an error")
}
