package sqlite

import (
	"fmt"
	"net/url"
	"path/filepath"
)

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
