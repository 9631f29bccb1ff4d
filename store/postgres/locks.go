package postgres

// The first keys of our advisory locks. They are of the database, which other programs may use as well, so
// they are none that somebody else would choose.
const (
	migrationLock = 0x464c4e01 + iota // held by who migrates
	memberLock                        // shared by every server that watches; the second key is no matter
	shardLock                         // held by who watches a shard; the second key is a hash of it
	purgeLock                         // held by who purges
	scopeLock                         // held by who claims or splits a scope; the second key is a hash of it
	adoptLock                         // held by who looks for deliveries without a job
)
