package exchange_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

func TestSecretURL(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	ref := notifier.Secret{File: file}
	put := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }

	put("https://hooks.example.org/services/T0/B0123456789abcdef?api-version=1&sig=aa%2Bbbbbbbbbbbbbbbb\n")
	address, parts, err := exchange.SecretURL(ref)
	require.NoError(t, err)
	require.Equal(t, "https://hooks.example.org/services/T0/B0123456789abcdef?api-version=1&sig=aa%2Bbbbbbbbbbbbbbbb", address)
	require.Equal(t, []string{
		address, "/services/T0/B0123456789abcdef?api-version=1&sig=aa%2Bbbbbbbbbbbbbbbb",
		"services/T0/B0123456789abcdef?api-version=1&sig=aa%2Bbbbbbbbbbbbbbbb", "aa%2Bbbbbbbbbbbbbbbb", "aa+bbbbbbbbbbbbbbb", "B0123456789abcdef",
	}, parts)

	put("https://me:pw@example.org/b")
	_, parts, err = exchange.SecretURL(ref)
	require.NoError(t, err)
	require.Equal(t, []string{"https://me:pw@example.org/b", "bWU6cHc=", "pw"}, parts, "a password, however short, and as it is sent")

	for _, text := range []string{"hooks.example.org/x", "ftp://x/y", "https://", "https://x y/"} {
		put(text)
		_, _, err = exchange.SecretURL(ref)
		require.EqualError(t, err, "secret file:"+file+" must hold an http or https URL")
	}
	require.NoError(t, os.Remove(file))
	_, _, err = exchange.SecretURL(ref)
	require.ErrorContains(t, err, "read secret")
}
