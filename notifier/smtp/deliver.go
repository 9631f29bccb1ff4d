package smtp

import (
	"errors"
	"net/textproto"

	"github.com/wneessen/go-mail/smtp"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// deliver makes one mail transaction (RFC 5321 section 3.3). refused are the recipients that the server will never
// take, each with its reply; answer is what it said of the mail.
func (s *session) deliver(from string, mail composed) (refused []string, answer string, err error) {
	if err := s.client.Mail("<" + from + ">"); err != nil {
		return nil, "", s.failed("MAIL FROM "+from, err)
	}
	if refused, err = s.recipients(mail.recipients); err != nil {
		return nil, "", err
	}
	data, err := s.client.Data()
	if err != nil {
		return nil, "", s.failed("DATA", err)
	}
	if _, err := data.Write(mail.raw); err != nil {
		return nil, "", s.failed("the mail", s.interrupted(err)) // without its end, which the server must wait for
	}
	if err := data.Close(); err != nil && !accepted(err) {
		return nil, "", s.refused(s.ctx, "end of the mail", err, true)
	}
	if closer, ok := data.(*smtp.DataCloser); ok {
		answer = s.quote(closer.ServerResponse(), 200)
	}
	s.quit()
	return refused, answer, nil
}

// interrupted is the reply of a server that did not wait for the mail's end, or the error that told of it.
func (s *session) interrupted(err error) error {
	if _, _, said := s.client.Text.ReadResponse(250); said != nil {
		if reply, ok := errors.AsType[*textproto.Error](said); ok {
			return reply
		}
	}
	return err
}

// accepted says whether a reply to the whole mail is a success, though not the one there should be.
func accepted(err error) bool {
	reply, ok := errors.AsType[*textproto.Error](err)
	return ok && reply.Code/100 == 2
}

// recipients names them all, and returns those who are not to wait for while there are others. Any other reply "later"
// puts off the whole mail.
func (s *session) recipients(all []string) (refused []string, err error) {
	var later, never error
	taken := 0
	for _, to := range all {
		err := s.client.Rcpt("<" + to + ">")
		if err == nil {
			taken++
			continue
		}
		reply, ok := errors.AsType[*textproto.Error](err)
		switch {
		case !ok || reply.Code == closing:
			return nil, s.failed("RCPT TO "+to, err)
		case reply.Code/100 == 5 || alone(reply):
			refused = append(refused, to+": "+s.reply(reply, 120))
			if verdict, _ := notifier.VerdictOf(never); verdict != notifier.Retry { // one that may be taken yet
				never = s.failed("RCPT TO "+to, err)
			}
		default:
			later = s.failed("RCPT TO "+to, err)
		}
	}
	switch {
	case later != nil:
		return nil, later
	case taken == 0:
		return nil, never
	}
	return refused, nil
}
