package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// PostgresURL is a URL of Postgres', or a reference to it. Its zero value is none.
type PostgresURL struct {
	literal string
	secret  notifier.Secret
}

// IsZero says whether none is given.
func (u PostgresURL) IsZero() bool { return u == PostgresURL{} }

// Value reads the reference, if it is one, and returns the URL; "" if none is given. The error
// never shows it.
func (u PostgresURL) Value() (string, error) {
	if u.IsZero() {
		return "", nil
	}
	value, err := read(u.literal, u.secret)
	if err != nil {
		return "", err
	}
	if err := postgresProblem(value); err != nil {
		return "", err
	}
	return value, nil
}

// String is the reference, or the literal without what could be a password; "" if none is given.
func (u PostgresURL) String() string {
	switch {
	case !u.secret.IsZero():
		return u.secret.String()
	case u.literal == "":
		return ""
	}
	return hidden(u.literal)
}

// GoString is String, for %#v.
func (u PostgresURL) GoString() string { return u.String() }

// DecodeStrict reads a URL or a reference.
func (u *PostgresURL) DecodeStrict(tree any) []notifier.Problem {
	return decodeURL(tree, &u.literal, &u.secret, postgresProblem)
}

// JSONSchema describes the URL and the reference.
func (PostgresURL) JSONSchema() map[string]any { return schemaOfURL("^postgres(ql)?://.+$") }

func isPostgres(raw string) bool {
	return strings.HasPrefix(raw, postgresScheme) || strings.HasPrefix(raw, "postgresql://")
}

// sslModes are libpq's, as pgx knows them.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// postgresProblem is what is wrong with a URL of Postgres'. The errors of url.Parse repeat parts of
// the URL, so they are not told.
func postgresProblem(raw string) error {
	if !isPostgres(raw) {
		return fmt.Errorf("must begin with %s", postgresScheme)
	}
	u, err := url.Parse(severalHosts(raw))
	if err != nil || u.Fragment != "" {
		return errors.New("is no URL: special characters of a password must be percent escapes, such as %40 for @")
	}
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case err != nil:
		return errors.New("has options after ? that are no key=value&key=value")
	case u.Host == "" && query.Get("host") == "":
		return errors.New("must name a host: postgres://user:password@host:5432/database")
	case strings.Trim(u.Path, "/") == "" && query.Get("dbname") == "":
		return errors.New("must name a database: postgres://user:password@host:5432/database")
	case query.Has("sslmode") && !slices.Contains(sslModes, query.Get("sslmode")):
		return errors.New("sslmode must be one of " + strings.Join(sslModes, ", "))
	}
	return nil
}

// severalHosts cuts a list of hosts, which url.Parse does not know, down to its first: what else
// the list holds is the driver's to judge.
func severalHosts(raw string) string {
	scheme, rest, _ := strings.Cut(raw, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	at := strings.LastIndex(authority, "@") + 1
	host, _, _ := strings.Cut(authority[at:], ",")
	return scheme + "://" + authority[:at] + host + rest[end:]
}
