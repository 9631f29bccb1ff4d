package exchange

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// SecretURL reads a URL that is a secret by itself, as those of incoming webhooks are. parts are what no error may
// show: the URL, and what of its path and query is long enough to be a credential. The error names the reference.
func SecretURL(ref notifier.Secret) (address string, parts []string, err error) {
	const shortest = 16 // characters of a credential
	if address, err = ref.Value(); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", nil, fmt.Errorf("secret %s must hold an http or https URL", ref)
	}
	return address, SecretParts(u, address, shortest), nil
}

// SecretParts are the parts of a URL, which is written raw, that no error may show: all but its host, for a token may
// stand in the path, in the query or before the host. Parts of fewer characters than shortest tell nothing, and would
// only make texts unreadable, but for a password.
func SecretParts(u *url.URL, raw string, shortest int) []string {
	uri := strings.TrimPrefix(u.RequestURI(), "/")
	parts := []string{raw, u.String(), "/" + uri, uri, u.User.Username()}
	for _, piece := range strings.FieldsFunc(u.EscapedPath()+"/"+u.Path+"/"+u.RawQuery, func(r rune) bool { return strings.ContainsRune("/&=?; ", r) }) {
		parts = append(parts, piece)
		if plain, err := url.QueryUnescape(piece); err == nil {
			parts = append(parts, plain)
		}
		if plain, err := url.PathUnescape(piece); err == nil {
			parts = append(parts, plain)
		}
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return len(s) < shortest })
	if password, ok := u.User.Password(); ok {
		basic := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password)) // as the client sends them
		parts = append(parts, password, basic)
	}
	return longestFirst(parts)
}
