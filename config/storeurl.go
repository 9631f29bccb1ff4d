package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

const (
	sqliteScheme   = "sqlite://"
	postgresScheme = "postgres://"
	defaultStore   = sqliteScheme + "flyte-notifier.db"
)

// StoreURL is the store's URL, or a reference to it: a URL may hold a password. Its zero value is
// a file in the working directory.
type StoreURL struct {
	literal string
	secret  notifier.Secret
}

// Place is where a store is: a file of SQLite's, or a URL of Postgres'. One of them is empty.
// Printing it shows no password.
type Place struct {
	File string
	URL  string
}

// Place reads the reference, if it is one, and returns where the store is: sqlite:///var/lib/x.db
// is an absolute path, sqlite://x.db one relative to the working directory, percent escapes
// decoded. The error never shows the URL.
func (u StoreURL) Place() (Place, error) {
	value, err := read(u.literal, u.secret)
	if err != nil {
		return Place{}, err
	}
	return ParsePlace(cmp.Or(value, defaultStore))
}

// ParsePlace reads a store's URL. The error says what is wrong with it without repeating it.
func ParsePlace(raw string) (Place, error) {
	if !isPostgres(raw) {
		file, err := storePath(raw)
		return Place{File: file}, err
	}
	if err := postgresProblem(raw); err != nil {
		return Place{}, err
	}
	return Place{URL: raw}, nil
}

// IsPostgres says whether the store is on Postgres.
func (p Place) IsPostgres() bool { return p.URL != "" }

// String is the URL without what could be a password.
func (p Place) String() string {
	if p.IsPostgres() {
		return hidden(p.URL)
	}
	return sqliteScheme + p.File
}

// GoString is String, for %#v.
func (p Place) GoString() string { return p.String() }

// LogValue is String, for logs.
func (p Place) LogValue() slog.Value { return slog.StringValue(p.String()) }

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
	return hidden(u.literal)
}

// GoString is String, for %#v.
func (u StoreURL) GoString() string { return u.String() }

// onlySQLite says whether the URL is one of SQLite's, as far as can be told without reading the
// reference.
func (u StoreURL) onlySQLite() bool { return u.secret.IsZero() && !isPostgres(u.literal) }

// onlyPostgres says whether the URL is one of Postgres', as far as that can be told.
func (u StoreURL) onlyPostgres() bool { return u.secret.IsZero() && isPostgres(u.literal) }

// DecodeStrict reads a URL or a reference.
func (u *StoreURL) DecodeStrict(tree any) []notifier.Problem {
	return decodeURL(tree, &u.literal, &u.secret, func(raw string) error {
		_, err := ParsePlace(raw)
		return err
	})
}

// JSONSchema describes the URL and the reference.
func (StoreURL) JSONSchema() map[string]any {
	s := schemaOfURL("^(" + sqliteScheme + ".*[^/]|postgres(ql)?://.+)$")
	s["default"] = defaultStore
	return s
}

func read(literal string, secret notifier.Secret) (string, error) {
	if secret.IsZero() {
		return literal, nil
	}
	return secret.Value()
}

func decodeURL(tree any, literal *string, secret *notifier.Secret, check func(string) error) []notifier.Problem {
	switch v := tree.(type) {
	case string:
		*literal = v
		if v == "" {
			return []notifier.Problem{{Text: "must not be empty"}}
		}
		if err := check(v); err != nil {
			return []notifier.Problem{{Text: err.Error()}}
		}
		return nil
	case map[string]any:
		return strict.Decode(v, secret)
	}
	return []notifier.Problem{{Text: "must be a URL, {env: NAME} or {file: PATH}, not " + strict.Name(tree)}}
}

func schemaOfURL(pattern string) map[string]any {
	return map[string]any{"oneOf": []any{
		map[string]any{"type": "string", "pattern": pattern},
		strict.Describe(notifier.Secret{}),
	}}
}

// hidden is a URL's scheme alone: what stands behind it may be a password wherever it stands.
func hidden(raw string) string {
	scheme, _, _ := strings.Cut(raw, "://")
	return scheme + "://<secret>"
}

// storePath is the file that a URL names, or what is wrong with the URL.
func storePath(raw string) (string, error) {
	rest, ok := strings.CutPrefix(raw, sqliteScheme)
	path, escapes := url.PathUnescape(rest)
	switch {
	case !ok:
		return "", fmt.Errorf("must begin with %s or %s", sqliteScheme, postgresScheme)
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
