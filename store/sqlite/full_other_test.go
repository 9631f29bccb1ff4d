//go:build !unix

package sqlite_test

import "errors"

func childFull(string) error { return errors.ErrUnsupported }
