package sqlite

import (
	"errors"
	"os"
)

// tryLock always fails: a lock that goes with a killed process is implemented for Unix only.
func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
