package faults

import (
	"flag"
	"os"
	"testing"
	"time"
)

// chaos is how long servers are killed at random.
var chaos = flag.Duration("chaos", 25*time.Second, "how long servers are killed at random; some tests take a part of it")

// What TestChaos does.
var (
	chaosDeliveries = flag.Int("chaos.deliveries", 400, "how many deliveries TestChaos makes in each store, at least")
	chaosKills      = flag.Int("chaos.kills", 3, "how often TestChaos kills a server")
	chaosSeed       = flag.Uint64("chaos.seed", 1, "of what goes wrong in TestChaos")
)

// TestMain runs few tests at once: each starts several servers and a Postgres.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "2"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
