package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

const (
	sqliteScheme = "sqlite://"
	defaultStore = sqliteScheme + "flyte-notifier.db"
)

// StoreURL is the store's URL, or a reference to it: a URL may hold a password. Its zero value is
// a file in the working directory.
type StoreURL struct {
	literal string
	secret  notifier.Secret
}

// Path returns the file that the URL names: sqlite:///var/lib/x.db is absolute, sqlite://x.db
// relative to the working directory. Percent escapes are decoded. The error never shows the URL.
func (u StoreURL) Path() (string, error) {
	value := u.literal
	if !u.secret.IsZero() {
		var err error
		if value, err = u.secret.Value(); err != nil {
			return "", err
		}
	}
	return storePath(cmp.Or(value, defaultStore))
}

// String is the reference, or the literal without what could be a password.
func (u StoreURL) String() string {
	switch {
	case !u.secret.IsZero():
		return u.secret.String()
	case u.literal == "":
		return defaultStore
	case strings.HasPrefix(u.literal, sqliteScheme):
		return u.literal
	}
	scheme, _, _ := strings.Cut(u.literal, "://")
	return scheme + "://<secret>"
}

// DecodeStrict reads a URL or a reference.
func (u *StoreURL) DecodeStrict(tree any) []notifier.Problem {
	switch v := tree.(type) {
	case string:
		u.literal = v
		if v == "" {
			return []notifier.Problem{{Text: "must not be empty"}}
		}
		if _, err := storePath(v); err != nil {
			return []notifier.Problem{{Text: err.Error()}}
		}
		return nil
	case map[string]any:
		return strict.Decode(v, &u.secret)
	}
	return []notifier.Problem{{Text: "must be a URL, {env: NAME} or {file: PATH}, not " + strict.Name(tree)}}
}

// storePath is the file that a URL names, or what is wrong with the URL, without repeating it.
func storePath(raw string) (string, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	path, escapes := url.PathUnescape(rest)
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return "", errors.New(strict.Unsupported)
	case !strings.HasPrefix(raw, sqliteScheme):
		return "", fmt.Errorf("must begin with %s", sqliteScheme)
	case strings.ContainsAny(rest, "?#"):
		return "", errors.New("options after ? or # are not known")
	case escapes != nil:
		return "", errors.New("has a broken percent escape")
	case path == "" || strings.HasSuffix(path, "/"):
		return "", errors.New("must name a file: sqlite:///var/lib/flyte-notifier/notifier.db")
	case path == ":memory:" || strings.ContainsRune(path, 0):
		return "", errors.New("must be a file, which memory is not")
	}
	return filepath.Clean(path), nil
}

// JSONSchema describes the URL and the reference.
func (StoreURL) JSONSchema() map[string]any {
	return map[string]any{"default": defaultStore, "oneOf": []any{
		map[string]any{"type": "string", "pattern": "^" + sqliteScheme + ".*[^/]$"},
		strict.Describe(notifier.Secret{}),
	}}
}
