package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

// checkSecrets looks for the credentials in all that the agent printed or left on disk.
func (w *world) checkSecrets() {
	w.t.Helper()
	for _, secret := range w.secrets {
		if strings.Contains(w.agent.Log.String()+w.agent.Answers.String(), secret) {
			w.t.Errorf("the agent's output holds %s", secret)
		}
		err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(secret)) {
				w.t.Errorf("%s holds %s", path, secret)
			}
			return err
		})
		require.NoError(w.t, err)
	}
}
