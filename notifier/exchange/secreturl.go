package exchange

import (
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
	parts = []string{address, u.RequestURI()}
	pieces := strings.FieldsFunc(u.EscapedPath()+"&"+u.RawQuery, func(r rune) bool { return strings.ContainsRune("/&=", r) })
	for _, piece := range pieces {
		if plain, err := url.QueryUnescape(piece); err == nil {
			parts = append(parts, plain)
		}
		parts = append(parts, piece)
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return len(s) < shortest })
	slices.SortStableFunc(parts, func(a, b string) int { return len(b) - len(a) }) // a part of another comes after it
	return address, slices.Compact(parts), nil
}
