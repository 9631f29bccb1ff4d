package webhook

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// secretsOf are the parts of a URL that no error may show: all but its host, for a token may stand in the path, in the
// query or before the host. Short parts, v1 say, tell nothing, and would only make texts unreadable.
func secretsOf(u *url.URL, raw string) []string {
	const tells = 8
	all := []string{raw, u.String()}
	if len(u.RequestURI()) > 1 {
		all = append(all, u.RequestURI(), strings.TrimPrefix(u.RequestURI(), "/"))
	}
	parts := strings.FieldsFunc(u.EscapedPath()+"/"+u.Path+"/"+u.RawQuery, func(r rune) bool { return strings.ContainsRune("/&=?; ", r) })
	if password, ok := u.User.Password(); ok {
		all = append(all, password) // however short
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
	return longestFirst(all)
}

// credentials are a header's value, and what follows its scheme: a service may repeat the token alone.
func credentials(value string) []string {
	all := []string{value}
	if _, after, ok := strings.Cut(value, " "); ok {
		all = append(all, strings.TrimSpace(after))
	}
	return longestFirst(all)
}

// longestFirst puts them in an order in which none is torn by a part of it.
func longestFirst(all []string) []string {
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	return slices.Compact(all)
}
