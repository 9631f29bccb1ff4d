package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
)

// The values of a connection's `tls`.
const (
	tlsStart    = "starttls"
	tlsImplicit = "implicit"
	tlsNone     = "none"
)

// Config is what the server's config says of an SMTP connection.
type Config struct {
	Host            string          `json:"host" required:"true" doc:"the mail server's name, which its certificate must be for"`
	Port            int             `json:"port,omitempty" min:"0" max:"65535" doc:"default 587 with starttls, 465 with implicit, 25 with none"`
	TLS             string          `json:"tls,omitempty" enum:"starttls,implicit,none" default:"starttls" doc:"starttls: mandatory, nothing is sent without; implicit: from the first byte; none: in the clear, for a server on this machine only"`
	CA              string          `json:"ca,omitempty" doc:"file of certificates (PEM) that the server's must be signed by, instead of the system's"`
	Username        string          `json:"username,omitempty" doc:"who logs in; default: nobody"`
	Password        notifier.Secret `json:"password,omitempty" doc:"the password: where it is kept, never the password itself"`
	From            string          `json:"from" required:"true" doc:"the sender: flyte@example.org or Flyte <flyte@example.org>"`
	Helo            string          `json:"helo,omitempty" doc:"the name that we greet the server by; default: this machine's"`
	ListUnsubscribe string          `json:"list_unsubscribe,omitempty" doc:"a mailto: or https: URL by which readers leave: the header List-Unsubscribe"`
}

// Validate returns what is wrong beside the password's reference, which validates itself.
func (c *Config) Validate() []notifier.Problem {
	var problems []notifier.Problem
	add := func(path, text string) {
		if text != "" {
			problems = append(problems, notifier.Problem{Path: path, Text: text})
		}
	}
	add("host", checkHost(c.Host))
	if c.Port < 0 || c.Port > 65535 {
		add("port", "must be from 1 to 65535")
	}
	switch {
	case c.TLS != "" && c.TLS != tlsStart && c.TLS != tlsImplicit && c.TLS != tlsNone:
		add("tls", "must be one of starttls, implicit, none")
	case c.TLS == tlsNone && !loopback(c.Host):
		add("tls", "none sends mail and password in the clear: it is for a server on this machine only (localhost, 127.0.0.1, ::1)")
	case c.TLS == tlsNone && c.CA != "":
		add("ca", "not with tls: none")
	}
	add("from", checkFrom(c.From))
	if c.Username == "" && !c.Password.IsZero() {
		add("username", "required with a password")
	}
	if c.Username != "" && c.Password.IsZero() {
		add("password", "required with a username")
	}
	if strings.ContainsFunc(c.Helo, func(r rune) bool { return r <= ' ' || r > '~' }) {
		add("helo", "must be a host's name")
	}
	if c.ListUnsubscribe != "" {
		add("list_unsubscribe", email.CheckUnsubscribe(c.ListUnsubscribe))
	}
	return problems
}

func checkHost(host string) string {
	switch {
	case host == "":
		return "required"
	case strings.ContainsAny(host, "/@ []") || strings.Contains(host, ":") && net.ParseIP(host) == nil:
		return "must be a host's name or address, without a port"
	}
	return ""
}

func checkFrom(from string) string {
	if from == "" {
		return "required"
	}
	a, err := email.ParseAddress(from)
	if err != nil {
		return err.Error()
	}
	return beyondASCII(a)
}

// beyondASCII says what is wrong with an address that few servers take (RFC 6531); empty is nothing.
func beyondASCII(a email.Address) string {
	if strings.ContainsFunc(a.Addr, func(r rune) bool { return r > '~' }) {
		return "must be an address in ASCII; write a domain in its xn-- form"
	}
	return ""
}

// loopback says whether a host is this machine, without asking anybody.
func loopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

// address is host and port.
func (c *Config) address() string {
	port := c.Port
	switch {
	case port != 0:
	case c.TLS == tlsImplicit:
		port = 465
	case c.TLS == tlsNone:
		port = 25
	default:
		port = 587
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(port))
}

// secure is how the server is known. The file of certificates is read again for every mail, so that a new one is
// taken up.
func (c *Config) secure() (*tls.Config, error) {
	made := &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	if c.CA == "" {
		return made, nil
	}
	raw, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("read ca: %w", err)
	}
	made.RootCAs = x509.NewCertPool()
	if !made.RootCAs.AppendCertsFromPEM(raw) {
		return nil, errors.New("read ca: " + c.CA + " holds no certificate (PEM)")
	}
	return made, nil
}

// helo is the name that we greet by. A machine that does not know its own is localhost, which servers take from
// those who log in.
func (c *Config) helo() string {
	if c.Helo != "" {
		return c.Helo
	}
	if name, err := os.Hostname(); err == nil && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return name
	}
	return "localhost"
}
