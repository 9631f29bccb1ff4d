package postgres

import (
	"errors"
	"strings"
	"syscall"
)

// impatient gives a connection up when what was sent is not acknowledged in time: keepalives are not sent
// while it waits for that.
func impatient(network, _ string, c syscall.RawConn) error {
	const (
		tcpUserTimeout = 0x12
		milliseconds   = 5000
	)
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var err error
	controlled := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, milliseconds)
	})
	return errors.Join(controlled, err)
}
