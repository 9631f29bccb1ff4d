package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// session is one connection to the server, which ends with its context.
type session struct {
	replies
	ctx    context.Context
	conn   net.Conn // as dialed, below TLS
	client *smtp.Client
	leave  func() bool // the context is watched no more
}

// connect dials, makes the connection secure and logs in. Its errors are classified: nothing can have been sent.
func (n *Notifier) connect(ctx context.Context) (*session, error) {
	password, err := n.password()
	if err != nil {
		return nil, notifier.Retry.Errorf("smtp: password: %w", err)
	}
	secure, err := n.config.secure()
	if err != nil {
		return nil, notifier.Retry.Errorf("smtp: %w", err)
	}
	s := &session{ctx: ctx, replies: newReplies(n.config.Username, password)}
	if s.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", n.config.address()); err != nil {
		return nil, s.failed("connect", err)
	}
	s.leave = context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	if err := s.begin(n.config, secure, password); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close ends the connection without a word.
func (s *session) close() {
	s.leave()
	_ = s.conn.Close() // what was sent is settled
}

// quit takes leave of the server, which need not answer for what it said before to hold.
func (s *session) quit() {
	const patience = time.Second
	if s.conn.SetDeadline(time.Now().Add(patience)) == nil {
		_ = s.client.Quit()
	}
}

// failed is the error of a step before a mail's end was sent.
func (s *session) failed(step string, err error) error { return s.refused(s.ctx, step, err, false) }

func (s *session) begin(c Config, secure *tls.Config, password string) (err error) {
	if c.TLS == tlsNone && !nearby(s.conn) {
		return notifier.Permanent.Errorf("smtp: %s is not this machine, and tls is none (set tls: starttls or implicit)", s.quote(c.Host, 200))
	}
	var conn net.Conn = &bounded{s.conn, io.LimitReader(s.conn, maxAnswers)}
	if c.TLS == tlsImplicit {
		outer := tls.Client(conn, secure)
		if err := outer.HandshakeContext(s.ctx); err != nil {
			return s.failed("TLS", err)
		}
		conn = outer
	}
	if s.client, err = smtp.NewClient(conn, c.Host); err != nil {
		return s.failed("greeting", err)
	}
	s.client.SkipSMTPUTF8(true) // our addresses are ASCII; some relays refuse what is marked otherwise
	if err := s.hello(c); err != nil {
		return err
	}
	if c.TLS != tlsNone && c.TLS != tlsImplicit {
		if err := s.startTLS(secure); err != nil {
			return err
		}
	}
	return s.login(c, password)
}

// hello greets the server. The library says HELO to whoever does not take EHLO: to one that only says "later" too, which
// then seems to offer neither TLS nor a way to log in.
func (s *session) hello(c Config) error {
	var ehlo said
	s.client.ErrorHandlerRegistry.RegisterHandler(c.Host, "ehlo", &ehlo)
	err := s.client.Hello(c.helo())
	if reply, ok := errors.AsType[*textproto.Error](ehlo.err); err == nil && ok && reply.Code/100 == 4 {
		err = reply
	}
	if err != nil {
		return s.failed("EHLO", err)
	}
	return nil
}

// said is the error of a command, which the library keeps to itself.
type said struct{ err error }

// HandleError notes the error, and mends nothing.
func (s *said) HandleError(_, _ string, _ *textproto.Conn, err error) error {
	s.err = err
	return err
}

// nearby says whether a connection stays on this machine.
func nearby(conn net.Conn) bool {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func (s *session) startTLS(secure *tls.Config) error {
	if offered, _ := s.client.Extension("STARTTLS"); !offered {
		return notifier.Permanent.Errorf("smtp: the server offers no STARTTLS, and nothing is sent without (for port 465 set tls: implicit)")
	}
	if err := s.client.StartTLS(secure); err != nil {
		return s.failed("STARTTLS", err)
	}
	return nil
}

// login uses the best way that both sides know. Inside TLS even the plain ones show nobody the password but the server.
func (s *session) login(c Config, password string) error {
	if c.Username == "" {
		return nil
	}
	_, offered := s.client.Extension("AUTH")
	auth := mechanism(c, strings.Fields(strings.ToUpper(offered)), password)
	if auth == nil {
		return notifier.Permanent.Errorf("smtp: the server offers no way to log in that we know, but %q (leave out username and password if it wants none)", s.quote(offered, 100))
	}
	if err := s.client.Auth(auth); err != nil {
		return s.failed("AUTH", err)
	}
	return nil
}

// mechanism is nil where there is none in common.
func mechanism(c Config, offered []string, password string) smtp.Auth {
	local := c.TLS == tlsNone // on this machine
	for _, way := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(c.Username, password)},
		{"PLAIN", smtp.PlainAuth("", c.Username, password, c.Host, local)},
		{"LOGIN", smtp.LoginAuth(c.Username, password, c.Host, local)},
		{"SCRAM-SHA-1", smtp.ScramSHA1Auth(c.Username, password)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(c.Username, password)},
	} {
		if slices.Contains(offered, way.name) {
			return way.auth
		}
	}
	return nil
}

// maxAnswers is how much is read of one server, in bytes: TLS and some hundred replies.
const maxAnswers = 256 << 10

var errTalkative = errors.New("the server says more than any mail server does")

// bounded is a connection of which only so much is read.
type bounded struct {
	net.Conn
	limited io.Reader
}

// Read reads until the limit, which is an error unlike the end of the connection.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.limited.Read(p)
	if limit, ok := b.limited.(*io.LimitedReader); ok && err == io.EOF && limit.N <= 0 {
		return n, errTalkative
	}
	return n, err
}
