package notifier_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

func file(t *testing.T, content string) notifier.Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return notifier.Secret{File: path}
}

func TestSecretFromAFileIsTrimmedAndReadAnew(t *testing.T) {
	t.Parallel()
	s := file(t, "\n one two \n")
	v, err := s.Value()
	require.NoError(t, err)
	require.Equal(t, "one two", v)
	require.NoError(t, os.WriteFile(s.File, []byte("three"), 0o600))
	v, err = s.Value()
	require.NoError(t, err)
	require.Equal(t, "three", v)
}

// It cannot be parallel: it sets an environment variable.
func TestSecretFromTheEnvironment(t *testing.T) {
	t.Setenv("NOTIFIER_TEST_SECRET", " s3cret\n")
	v, err := notifier.Secret{Env: "NOTIFIER_TEST_SECRET"}.Value()
	require.NoError(t, err)
	require.Equal(t, "s3cret", v)
}

func TestSecretErrorsNameTheReference(t *testing.T) {
	t.Parallel()
	empty := file(t, " \n")
	for want, s := range map[string]notifier.Secret{
		"secret env:NOTIFIER_TEST_UNSET is empty or not set": {Env: "NOTIFIER_TEST_UNSET"},
		"secret file:" + empty.File + " is empty":            empty,
		"read secret: open /nowhere/token":                   {File: "/nowhere/token"},
	} {
		v, err := s.Value()
		require.ErrorContains(t, err, want)
		require.Empty(t, v)
	}
}

func TestSecretValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, notifier.Secret{Env: "A"}.Validate())
	require.NoError(t, notifier.Secret{File: "/a"}.Validate())
	require.ErrorContains(t, notifier.Secret{}.Validate(), "exactly one of")
	require.ErrorContains(t, notifier.Secret{Env: "A", File: "/a"}.Validate(), "exactly one of")
	require.True(t, notifier.Secret{}.IsZero())
	require.False(t, notifier.Secret{Env: "A"}.IsZero())
}

func TestSecretPrintsItsReferenceOnly(t *testing.T) {
	t.Parallel()
	s := file(t, "hidden-value")
	_, err := s.Value()
	require.NoError(t, err)
	raw, err := json.Marshal(s)
	require.NoError(t, err)
	for _, print := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), string(raw)} {
		require.NotContains(t, print, "hidden-value")
		require.Contains(t, print, strings.TrimPrefix(s.File, "/"))
	}
	require.Equal(t, "env:A", notifier.Secret{Env: "A"}.String())
}
