package email

import (
	"net/url"
	"strings"
)

// Header is one header field of a mail. Its value is ASCII on one line.
type Header struct{ Name, Value string }

// Headers are those that every mail of ours carries: machines shall neither answer it (RFC 3834 section 5, and Exchange's
// own header for the same), nor take it for a person's. unsubscribe is a URL that CheckUnsubscribe found nothing
// wrong with; empty leaves List-Unsubscribe (RFC 2369 section 3.2) out.
//
// There is no Precedence: RFC 3834 replaces it, and "bulk" makes some providers put alerts aside.
func Headers(unsubscribe string) []Header {
	all := []Header{{"Auto-Submitted", "auto-generated"}, {"X-Auto-Response-Suppress", "All"}}
	if unsubscribe != "" {
		all = append(all, Header{"List-Unsubscribe", "<" + unsubscribe + ">"})
	}
	return all
}

// CheckUnsubscribe says what is wrong with a URL for List-Unsubscribe; empty is nothing.
func CheckUnsubscribe(raw string) string {
	const wrong, longest = "must be a mailto: or https: URL", 500
	u, err := url.Parse(raw)
	foreign := strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>,"`, r) })
	switch {
	case err != nil || foreign || len(raw) > longest:
		return wrong
	case u.Scheme == "https" && u.Host != "" && u.User == nil:
		return ""
	case u.Scheme == "mailto":
		if _, err := ParseAddress(u.Opaque); err != nil {
			return wrong
		}
		return ""
	}
	return wrong
}
