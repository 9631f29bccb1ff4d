package sqlite_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

func benchOpen(b *testing.B) *sqlite.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), b.TempDir()+"/notifier.db")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

func benchWatch(n int64) store.Watch {
	return store.Watch{
		ID: fmt.Sprintf("%032x", n*2654435761), Kind: store.Follow, State: store.Active,
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: fmt.Sprintf("f%019x", n)},
		Custom:    []byte(`{"rules":[{"name":"failed","when":{"phase":["FAILED"]},"send":[{"slack":{"channel":"#ml"}}]}]}`),
		CreatedAt: time.Unix(1_780_000_000, 0),
	}
}

func benchDelivery(w store.Watch, n int64) store.Delivery {
	return store.Delivery{
		ID: fmt.Sprintf("d%031x", n*2654435761), Key: w.ID + "/failed", WatchID: w.ID, Execution: w.Execution,
		Rule: "failed", Reason: "phase:FAILED", Kind: "slack", Connection: "team", Address: fmt.Sprintf("#c%d", n%100),
		Destination: []byte(`{"channel":"#ml"}`), Content: make([]byte, 1000), State: store.Pending,
		NextAt: w.CreatedAt, CreatedAt: w.CreatedAt,
	}
}

// BenchmarkRegister is one durable insert after the other, and by many callers at once.
func BenchmarkRegister(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := benchOpen(b)
			var n atomic.Int64
			b.SetParallelism(max(callers/runtime.GOMAXPROCS(0), 1))
			if callers == 1 {
				for b.Loop() {
					_, err := s.Register(b.Context(), benchWatch(n.Add(1)))
					require.NoError(b, err)
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := s.Register(b.Context(), benchWatch(n.Add(1))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

// BenchmarkDelivery is the life of one delivery: inserted with its transition, begun, settled.
func BenchmarkDelivery(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := benchOpen(b)
			var n atomic.Int64
			b.SetParallelism(max(callers/runtime.GOMAXPROCS(0), 1))
			live := func() error {
				w, err := s.Register(b.Context(), benchWatch(n.Add(1)))
				if err != nil {
					return err
				}
				d := benchDelivery(w, n.Load())
				d.ID = "d" + w.ID
				w.Phase = "FAILED"
				if err := s.Move(b.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}); err != nil {
					return err
				}
				rates := []store.Rate{{Bucket: d.Address, PerSecond: 1e9, Burst: 1000}}
				if _, err := s.Begin(b.Context(), d.ID, 0, w.CreatedAt, rates); err != nil {
					return err
				}
				return s.Settle(b.Context(), d.ID, store.Outcome{
					Attempt: 1, State: store.Delivered, At: w.CreatedAt, Event: store.Event{At: w.CreatedAt, Kind: "delivered", Text: "slack #ml"},
				})
			}
			if callers == 1 {
				for b.Loop() {
					require.NoError(b, live())
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := live(); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
