package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const examples = "../../examples"

// TestExamplesAreValid runs `validate` over all examples but the sandbox's, which are Kubernetes' and Flyte's.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	files := 0
	require.NoError(t, filepath.WalkDir(examples, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "sandbox":
			return fs.SkipDir
		case filepath.Ext(path) != ".yaml":
			return nil
		}
		files++
		t.Run(strings.TrimPrefix(path, examples+"/"), func(t *testing.T) {
			t.Parallel()
			got := command(t, "validate", path)
			require.Equal(t, 0, got.code, "%s%s", got.stdout, got.stderr)
			require.NotContains(t, got.stdout, "warning:")
		})
		return nil
	}))
	require.Greater(t, files, 20)
}

// TestCatalogSaysWhatItIsFor wants a comment that says when to use each rule of the catalog, and a line in its list.
func TestCatalogSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile(examples + "/rules/README.md")
	require.NoError(t, err)
	files, err := filepath.Glob(examples + "/rules/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(data, []byte("# Use it ")), file)
		require.Contains(t, string(list), "["+filepath.Base(file)+"]("+filepath.Base(file)+")")
	}
}
