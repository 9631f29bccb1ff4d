package email

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Address is a mail address with the name shown for it, if any.
type Address struct {
	Name string
	Addr string // "ada@example.org", its domain in lower case
}

// Domain is what stands behind the address's @.
func (a Address) Domain() string {
	_, domain, _ := strings.Cut(a.Addr, "@")
	return domain
}

// ParseAddress reads "a@example.org" or "Name <a@example.org>". Quoted local parts, comments and
// addresses of machines are refused: they are no people's, but ways around an allow list. The
// error says what an address must be, without the text.
func ParseAddress(s string) (Address, error) {
	wrong := errors.New("must be a mail address, such as ada@example.org or Ada <ada@example.org>")
	if strings.ContainsFunc(s, unicode.IsControl) || s != notifier.Printable(s) {
		return Address{}, errors.New("must be a mail address without line breaks or control characters")
	}
	parsed, err := mail.ParseAddress(s) // which takes a group of one, "name: a@example.org;", as well
	if err != nil || strings.HasSuffix(strings.TrimSpace(s), ";") {
		return Address{}, wrong
	}
	local, domain, _ := strings.Cut(parsed.Address, "@")
	if local == "" || domain == "" || len(parsed.Address) > 320 || strings.ContainsFunc(parsed.Address, unicode.IsSpace) ||
		strings.ContainsAny(local, `"(),:;<>@[\]%!`) || strings.ContainsAny(domain, `"(),:;<>@[\]/`) {
		return Address{}, wrong
	}
	return Address{parsed.Name, local + "@" + strings.ToLower(domain)}, nil
}

// Bare is the address alone; a text that is none, a template say, stays as it is.
func Bare(s string) string {
	a, err := ParseAddress(s)
	if err != nil {
		return strings.TrimSpace(s)
	}
	return a.Addr
}
