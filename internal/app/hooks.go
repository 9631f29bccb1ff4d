package app

import (
	"fmt"
	"net"
)

// listenForHooks opens the door for services that call us, if there is to be one; nil otherwise.
func (s *server) listenForHooks() (net.Listener, error) {
	h := s.Config.Server.Hooks
	if h == nil {
		return nil, nil
	}
	l, err := net.Listen("tcp", h.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for hooks: %w", err)
	}
	s.Log.Info("services may call", "hooks", l.Addr().String())
	if s.Hooked != nil {
		s.Hooked(l.Addr().String())
	}
	return l, nil
}
