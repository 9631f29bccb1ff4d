package exchange

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// BaseURL is where a service is, as a config has it: the URL that paths are joined to.
type BaseURL string

// UnmarshalText refuses what no path can be joined to.
func (b *BaseURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must be an http or https URL")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil:
		return errors.New("must have no user, query or fragment")
	}
	*b = BaseURL(text)
	return nil
}

// Join returns the URL of a path that begins without a slash.
func (b BaseURL) Join(path string) string { return strings.TrimRight(string(b), "/") + "/" + path }

// WebLink is the address when following it can only open a web page, and it is at most so many bytes long; else it is
// empty. What it returns is ASCII without spaces, quotes, brackets of any kind, pipes and backslashes (but for those of
// an IPv6 host), so that no markup ends within it.
func WebLink(address string, most int) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil ||
		strings.ContainsAny(u.Host, "!$&'()*+,;=<>\"") { // which url.Parse takes
		return ""
	}
	full := u.String()
	end := len(u.Scheme + "://")
	if i := strings.IndexAny(full[end:], "/?#"); i >= 0 {
		end += i
	} else {
		end = len(full)
	}
	if full = full[:end] + unmarked(full[end:]); len(full) > most {
		return ""
	}
	return full
}

// unmarked is a URL's text with whatever may mean something to a markup percent-encoded.
func unmarked(s string) string {
	var safe strings.Builder
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' || strings.IndexByte("\"'`<>\\^{|}()[]", b) >= 0 {
			fmt.Fprintf(&safe, "%%%02X", b)
			continue
		}
		safe.WriteByte(b)
	}
	return safe.String()
}
