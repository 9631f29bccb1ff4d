package postgres

import (
	"time"
)

const (
	// fetchCooldown is the least time between two fetches. River's default of 100 ms would hold a
	// server to a few hundred jobs a second, and each of them back by as much.
	fetchCooldown = 2 * time.Millisecond

	// soon is how far ahead River's scheduler makes jobs available: it looks once in this time, and
	// what is due sooner must be available at once.
	soon = 5 * time.Second
)
