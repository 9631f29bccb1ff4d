package engine

import (
	"errors"
	"fmt"
)

// DamageError says that a part of a row could not be read. The row comes with all the rest: one damaged
// row must not hide the others.
type DamageError struct {
	ID     string
	Column string
	Err    error
}

// Error names the row and the column.
func (e *DamageError) Error() string {
	return fmt.Sprintf("row %s: column %s is damaged: %v", e.ID, e.Column, e.Err)
}

// Unwrap returns why it could not be read.
func (e *DamageError) Unwrap() error { return e.Err }

// Damaged says whether an error is only of a part of a row.
func Damaged(err error) bool {
	_, ok := errors.AsType[*DamageError](err)
	return ok
}
