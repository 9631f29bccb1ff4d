//go:build !unix

package pgtest

import "syscall"

func alone() *syscall.SysProcAttr { return nil }

func apart() *syscall.SysProcAttr { return nil }

func give(string) error { return nil }
