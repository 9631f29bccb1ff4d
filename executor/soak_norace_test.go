//go:build !race

package executor_test

import "time"

// soakShort is how long a soak lasts by default.
const soakShort = 10 * time.Hour
