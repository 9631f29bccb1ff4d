package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The heap is small, some ten megabytes: under load it doubles, and is collected, many times a second,
// which takes an eighth of the CPU. So it may grow further while that is so, and only then: a server that
// has little to do stays as small as it is, and one whose heap is large has no need of it.
const (
	roomyHeap     = 24 << 20 // bytes that the heap may grow to under load
	roomyPercent  = 300      // of the live heap, at most
	normalPercent = 100
	manyCycles    = 3 // in a second
)

// paceCollector adjusts Go's garbage collector to the load until ctx ends. It leaves it alone where the
// environment sets GOGC; what GOMEMLIMIT says goes before in any case.
func paceCollector(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	percent := normalPercent
	before, _ := collections()
	for {
		select {
		case <-ctx.Done():
			debug.SetGCPercent(normalPercent)
			return
		case <-ticker.C:
		}
		cycles, live := collections()
		if want := collectorPercent(percent, cycles-before, live); want != percent {
			percent = want
			debug.SetGCPercent(percent)
		}
		before = cycles
	}
}

// collectorPercent is what GOGC should be after a second with so many collections, the last of which left so
// many bytes.
func collectorPercent(percent int, cycles, live uint64) int {
	most := min(max(100*roomyHeap/max(live, 1), 100+normalPercent)-100, roomyPercent)
	switch {
	case cycles == 0:
		return normalPercent
	case cycles >= manyCycles:
		return int(most) //nolint:gosec // at most roomyPercent
	}
	return min(percent, int(most)) //nolint:gosec // at most roomyPercent
}

// collections is how many there were, and how many bytes the last one left.
func collections() (cycles, live uint64) {
	read := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(read)
	return read[0].Value.Uint64(), read[1].Value.Uint64()
}
