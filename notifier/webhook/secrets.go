package webhook

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// secretsOf are the parts of a URL that no error may show: all but its host, for a token may stand in the path, in the
// query or before the host. Short parts, v1 say, tell nothing, and would only make texts unreadable.
func secretsOf(u *url.URL, raw string) []string {
	const tells = 8
	all := []string{raw, u.String()}
	if uri := strings.TrimPrefix(u.RequestURI(), "/"); len(uri) >= tells {
		all = append(all, u.RequestURI(), uri)
	}
	parts := strings.FieldsFunc(u.EscapedPath()+"/"+u.Path+"/"+u.RawQuery, func(r rune) bool { return strings.ContainsRune("/&=?; ", r) })
	if password, ok := u.User.Password(); ok {
		basic := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password)) // as the client sends them
		all = append(all, password, basic)                                                     // however short
	}
	for _, part := range append(parts, u.User.Username()) {
		if len(part) >= tells {
			all = append(all, part)
		}
		if plain, err := url.QueryUnescape(part); err == nil && len(plain) >= tells {
			all = append(all, plain)
		}
		if plain, err := url.PathUnescape(part); err == nil && len(plain) >= tells {
			all = append(all, plain)
		}
	}
	return all
}

// credentials are a header's value, and what follows its scheme: a service may repeat the token alone.
func credentials(value string) []string {
	all := []string{value}
	if _, after, ok := strings.Cut(value, " "); ok {
		all = append(all, strings.TrimSpace(after))
	}
	return all
}
