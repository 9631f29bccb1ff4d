package faults

import (
	"flag"
	"os"
	"testing"
	"time"
)

// chaos is how long servers are killed at random.
var chaos = flag.Duration("chaos", 25*time.Second, "how long servers are killed at random; some tests take a part of it")

// TestMain runs few tests at once: each starts several servers and a Postgres.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "2"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
