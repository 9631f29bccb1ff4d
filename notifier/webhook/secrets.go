package webhook

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// secretsOf are the parts of a URL that no error may show.
func secretsOf(u *url.URL, raw string) []string {
	const tells = 8 // characters: v1 does not, say
	return exchange.SecretParts(u, raw, tells)
}

// credentials are a header's value, and what follows its scheme: a service may repeat the token alone, or the user and the
// password that Basic (RFC 7617) holds.
func credentials(value string) []string {
	all := []string{value}
	scheme, after, ok := strings.Cut(value, " ")
	if !ok {
		return all
	}
	token := strings.TrimSpace(after)
	all = append(all, token)
	if pair, err := base64.StdEncoding.DecodeString(token); err == nil && strings.EqualFold(scheme, "Basic") {
		_, password, _ := strings.Cut(string(pair), ":")
		all = append(all, string(pair), password)
	}
	return all
}
