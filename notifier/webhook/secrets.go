package webhook

import (
	"net/url"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// secretsOf are the parts of a URL that no error may show.
func secretsOf(u *url.URL, raw string) []string {
	const tells = 8 // characters: v1 does not, say
	return exchange.SecretParts(u, raw, tells)
}

// credentials are a header's value, and what follows its scheme: a service may repeat the token alone.
func credentials(value string) []string {
	all := []string{value}
	if _, after, ok := strings.Cut(value, " "); ok {
		all = append(all, strings.TrimSpace(after))
	}
	return all
}
