//go:build race

package executor_test

import "time"

// soakShort is how long a soak lasts by default; the race detector makes it ten times slower.
const soakShort = time.Hour
