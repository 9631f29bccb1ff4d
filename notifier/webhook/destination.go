package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// longestURL is what most servers take.
const longestURL = 2048

// Destination is where a message goes, and what it then is, as far as the connection leaves that open.
type Destination struct {
	URL  string `json:"url,omitempty" doc:"an http or https URL, only where the connection has none"`
	Body string `json:"body,omitempty" doc:"all that is sent, a template, only where the connection's format is template"`
}

// Validate returns what is wrong with the keys; templates are judged once they are rendered.
func (d *Destination) Validate() []notifier.Problem {
	if d.URL == "" || notifier.IsTemplate(d.URL) {
		return nil
	}
	if _, err := parseURL(d.URL); err != nil {
		return []notifier.Problem{{Path: "url", Text: err.Error()}}
	}
	return nil
}

// Address is the URL's host, and enough of a hash to tell two URLs there apart: the rest may be a secret. Without a URL
// it is the connection's.
func (d *Destination) Address() string {
	if d.URL == "" {
		return "own url"
	}
	u, err := parseURL(d.URL)
	if err != nil || notifier.IsTemplate(d.URL) {
		return "url"
	}
	sum := sha256.Sum256([]byte(u.String()))
	return strings.ToLower(u.Host) + " " + hex.EncodeToString(sum[:3])
}

// Addresses is the URL's host, in lower case and without its port. A connection's own URL is no task's choice. What is no
// URL yet, or never, is not shown: there may be a token in it, and what allow refuses is stored.
func (d *Destination) Addresses() []string {
	if d.URL == "" {
		return nil
	}
	u, err := parseURL(d.URL)
	switch {
	case notifier.IsTemplate(d.URL):
		return []string{"a url with {{"} // which tells a spec's reader that it is a template
	case err != nil:
		return []string{"what is no url"}
	}
	return []string{hostOf(u)}
}

// Host is the URL's, with its port: each fails by itself. Without a URL it is the connection's.
func (d *Destination) Host() string {
	u, err := parseURL(d.URL)
	if d.URL == "" || err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// hostOf is the host as an allow list names it. A final dot means the same host.
func hostOf(u *url.URL) string { return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") }

// parseURL reads a URL that a task gives. Its errors do not show it.
func parseURL(raw string) (*url.URL, error) {
	if len(raw) > longestURL {
		return nil, fmt.Errorf("must have at most %d bytes", longestURL)
	}
	u, err := parseOwn(raw)
	switch {
	case err != nil:
		return nil, err
	case u.User != nil:
		return nil, errors.New("must have no user or password")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }):
		return nil, errors.New("must have its host in ASCII (xn--)") // others are mapped to it after allow has judged them
	}
	return u, nil
}

// parseOwn reads a URL that the operator gives. Its errors do not show it, for all of it may be a secret.
func parseOwn(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("must be an http or https URL, such as https://hooks.example.org/flyte")
	}
	if raw != notifier.Printable(raw) || strings.ContainsAny(raw, " \t\n") {
		return nil, errors.New("must be a URL without white space and control characters")
	}
	if u.Fragment != "" {
		return nil, errors.New("must have no fragment")
	}
	if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
		return nil, errors.New("must have a port from 1 to 65535")
	}
	return u, nil
}

// problems collects them.
type problems struct{ list []notifier.Problem }

func (p *problems) add(path, format string, args ...any) {
	p.list = append(p.list, notifier.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}
