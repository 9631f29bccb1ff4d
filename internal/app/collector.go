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
// has little to do stays as small as it is.
const (
	roomyPercent  = 300 // of the live heap, under load
	normalPercent = 100
	manyCycles    = 3 // in a second
)

// PaceCollector adjusts Go's garbage collector to the load until ctx ends. It leaves it alone where the
// environment sets GOGC or GOMEMLIMIT.
func PaceCollector(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	percent, before := normalPercent, collections()
	for {
		select {
		case <-ctx.Done():
			debug.SetGCPercent(normalPercent)
			return
		case <-ticker.C:
		}
		now := collections()
		if want := collectorPercent(percent, now-before); want != percent {
			percent = want
			debug.SetGCPercent(percent)
		}
		before = now
	}
}

// collectorPercent is what GOGC should be after a second with so many collections.
func collectorPercent(percent int, cycles uint64) int {
	switch {
	case cycles >= manyCycles:
		return roomyPercent
	case cycles == 0:
		return normalPercent
	}
	return percent
}

func collections() uint64 {
	cycles := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}}
	metrics.Read(cycles)
	return cycles[0].Value.Uint64()
}
