package sendgrid

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// sender is a mail address with the name shown for it, if any.
type sender struct {
	name    string
	address string // its domain in lower case
}

// parseAddress reads "a@example.org" or "Name <a@example.org>". Quoted local parts, comments and
// addresses of machines are refused: they are no people's, but ways around an allow list.
func parseAddress(s string) (sender, error) {
	wrong := errors.New("must be a mail address, such as ada@example.org or Ada <ada@example.org>")
	if strings.ContainsFunc(s, unicode.IsControl) || s != notifier.Printable(s) {
		return sender{}, errors.New("must be a mail address without line breaks or control characters")
	}
	parsed, err := mail.ParseAddress(s) // which takes a group of one, "name: a@example.org;", as well
	if err != nil || strings.HasSuffix(strings.TrimSpace(s), ";") {
		return sender{}, wrong
	}
	local, domain, _ := strings.Cut(parsed.Address, "@")
	if local == "" || domain == "" || len(parsed.Address) > 320 || strings.ContainsFunc(parsed.Address, unicode.IsSpace) ||
		strings.ContainsAny(local, `"(),:;<>@[\]`) || strings.ContainsAny(domain, `"(),:;<>@[\]/`) {
		return sender{}, wrong
	}
	return sender{parsed.Name, local + "@" + strings.ToLower(domain)}, nil
}

// bare is the address alone; a text that is none, a template say, stays as it is.
func bare(s string) string {
	a, err := parseAddress(s)
	if err != nil {
		return strings.TrimSpace(s)
	}
	return a.address
}
