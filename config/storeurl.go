package config

import (
	"errors"
	"fmt"
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

// Value returns the URL, which begins with sqlite://. The error never shows it.
func (u StoreURL) Value() (string, error) {
	value := u.literal
	if !u.secret.IsZero() {
		var err error
		if value, err = u.secret.Value(); err != nil {
			return "", err
		}
	}
	if value == "" {
		value = defaultStore
	}
	return value, checkStore(value)
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
		if err := checkStore(v); err != nil {
			return []notifier.Problem{{Text: err.Error()}}
		}
		return nil
	case map[string]any:
		return strict.Decode(v, &u.secret)
	}
	return []notifier.Problem{{Text: "must be a URL, {env: NAME} or {file: PATH}, not " + strict.Name(tree)}}
}

// checkStore says what is wrong with a URL, without repeating it.
func checkStore(url string) error {
	scheme, rest, _ := strings.Cut(url, "://")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return errors.New(strict.Unsupported)
	case !strings.HasPrefix(url, sqliteScheme):
		return fmt.Errorf("must begin with %s", sqliteScheme)
	case rest == "" || strings.HasSuffix(rest, "/"):
		return errors.New("must name a file: sqlite:///var/lib/flyte-notifier/notifier.db")
	}
	return nil
}

// JSONSchema describes the URL and the reference.
func (StoreURL) JSONSchema() map[string]any {
	return map[string]any{"default": defaultStore, "oneOf": []any{
		map[string]any{"type": "string", "pattern": "^" + sqliteScheme + ".*[^/]$"},
		strict.Describe(notifier.Secret{}),
	}}
}
