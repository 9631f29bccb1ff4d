package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// programs finds the folder that holds Postgres's programs.
func programs() (string, error) {
	candidates := []string{"/usr/local/bin"}
	if path, err := exec.LookPath("postgres"); err == nil {
		candidates = slices.Insert(candidates, 0, filepath.Dir(path))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		slices.Sort(found)
		slices.Reverse(found) // the newest first
		candidates = append(candidates, found...)
	}
	for _, dir := range candidates {
		if bin, ok := holds(dir, "postgres"); ok {
			if _, ok := holds(bin, "initdb"); ok {
				return bin, nil
			}
		}
	}
	return "", fmt.Errorf("%w: postgres and initdb are neither on PATH nor in %v", ErrNone, candidates)
}

// holds returns where a program of the folder really is: packages link single programs elsewhere, and
// those beside it are of the same version.
func holds(dir, name string) (string, bool) {
	path, err := filepath.EvalSymlinks(filepath.Join(dir, name))
	if err != nil {
		return "", false
	}
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return "", false
	}
	return filepath.Dir(path), true
}
