package smtpsim

import (
	"io"
	"net"
	"slices"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Mail is a mail that the server accepted.
type Mail struct {
	From string   // of the envelope, as all here
	To   []string // those accepted
	Raw  []byte   // headers and body as they came, lines ended by \r\n
}

// session is one client's dialogue.
type session struct {
	server *Server
	conn   *smtp.Conn
	known  bool // the client has logged in, or need not
	mail   Mail
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	if err := s.meet(c.Conn(), s.fault(Hello, "", nil)); err != nil {
		return nil, err
	}
	return &session{server: s, conn: c, known: s.options.Username == ""}, nil
}

func (s *session) wire() net.Conn { return s.conn.Conn() }

// AuthMechanisms is PLAIN for servers that have users.
func (s *session) AuthMechanisms() []string {
	if s.server.options.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth checks name and password.
func (s *session) Auth(string) (sasl.Server, error) {
	if err := s.server.meet(s.wire(), s.server.fault(Login, "", nil)); err != nil {
		return nil, err
	}
	return sasl.NewPlainServer(func(_, username, password string) error {
		if s.known = username == s.server.options.Username && password == s.server.options.Password; s.known {
			return nil
		}
		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "bad credentials"}
	}), nil
}

// Mail begins a transaction.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.server.mu.Lock()
	s.server.begun++
	s.server.mu.Unlock()
	if err := s.server.meet(s.wire(), s.server.fault(From, "", nil)); err != nil {
		return err
	}
	if !s.known {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "log in first"}
	}
	s.mail = Mail{From: from}
	return nil
}

// Rcpt takes a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.server.meet(s.wire(), s.server.fault(To, to, nil)); err != nil {
		return err
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

// Data takes the mail itself.
func (s *session) Data(r io.Reader) error {
	if err := s.server.meet(s.wire(), s.server.fault(Data, "", nil)); err != nil {
		return err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	f := s.server.fault(End, "", raw)
	if f == nil || f.Store {
		mail := Mail{From: s.mail.From, To: slices.Clone(s.mail.To), Raw: raw}
		s.server.mu.Lock()
		s.server.mails = append(s.server.mails, mail)
		s.server.mu.Unlock()
	}
	return s.server.meet(s.wire(), f)
}

// Reset forgets the transaction.
func (s *session) Reset() { s.mail = Mail{} }

// Logout ends the dialogue.
func (s *session) Logout() error { return nil }
