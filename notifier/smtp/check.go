package smtp

import "context"

// Check connects, logs in, and asks whether the server would take a mail from the connection's from. It sends none.
func (n *Notifier) Check(ctx context.Context) error {
	s, err := n.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.client.Mail("<" + n.from.Addr + ">"); err != nil {
		return s.failed("MAIL FROM "+n.from.Addr, err)
	}
	if err := s.client.Reset(); err != nil {
		return s.failed("RSET", err)
	}
	s.quit()
	return nil
}
