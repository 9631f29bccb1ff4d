package sqlite

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// scheme is how the url of a store on SQLite begins.
const scheme = "sqlite://"

// PathFromURL returns the file that a store's url names: sqlite:///var/lib/x.db is absolute,
// sqlite://x.db relative to the working directory. Percent escapes are decoded.
func PathFromURL(raw string) (string, error) {
	rest, ok := strings.CutPrefix(raw, scheme)
	if !ok {
		return "", fmt.Errorf("store url must begin with %s", scheme)
	}
	if strings.ContainsAny(rest, "?#") {
		return "", fmt.Errorf("store url %q: options after ? or # are not known", raw)
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return "", fmt.Errorf("store url %q: %w", raw, err)
	}
	switch {
	case path == "" || strings.HasSuffix(path, "/"):
		return "", fmt.Errorf("store url %q names no file", raw)
	case path == ":memory:" || strings.ContainsRune(path, 0):
		return "", fmt.Errorf("store url %q: the store must be a file", raw)
	}
	return filepath.Clean(path), nil
}

// dsn returns the driver's name for the file with these pragmas, which must exist. The path is
// made absolute and escaped, so that no file name means anything but itself.
func dsn(path string, pragmas ...string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("resolve path of store: %w", err)
	}
	query := url.Values{"mode": {"rw"}, "_pragma": pragmas, "_dqs": {"0"}}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: query.Encode()}
	return u.String(), nil
}
