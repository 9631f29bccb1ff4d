//go:build !linux

package netns

import "syscall"

// apart is impossible here: what follows fails, and skips the test.
func apart() *syscall.SysProcAttr { return nil }
