package postgres_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// benchmark runs do with so many callers on a store whose commits wait for the disk.
func benchmark(b *testing.B, unit string, do func(s store.Store, n int64) error) {
	server := pgtest.Start(b, pgtest.Options{})
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openAt(b, server.Database(b))
			var n atomic.Int64
			b.SetParallelism(max(callers/runtime.GOMAXPROCS(0), 1))
			if callers == 1 {
				for b.Loop() {
					require.NoError(b, do(s, n.Add(1)))
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := do(s, n.Add(1)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), unit)
		})
	}
}

// BenchmarkRegister is one durable insert after the other, and by many callers at once.
func BenchmarkRegister(b *testing.B) {
	benchmark(b, "writes/s", func(s store.Store, n int64) error {
		w := testWatch(fmt.Sprintf("%032x", n*2654435761))
		_, err := s.Register(b.Context(), w)
		return err
	})
}

// BenchmarkDelivery is the life of one delivery: inserted with its transition, begun, settled.
func BenchmarkDelivery(b *testing.B) {
	benchmark(b, "deliveries/s", func(s store.Store, n int64) error {
		return live(b, s, fmt.Sprintf("%032x", n*2654435761))
	})
}

// BenchmarkLarge reads and writes a store with millions of rows. It takes minutes to fill.
func BenchmarkLarge(b *testing.B) {
	const n = 1_000_000
	url, ctx := filled(b, n, 10*n), b.Context()
	s, err := postgres.Open(ctx, postgres.Options{URL: url})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	sc := flyte.Scope{Project: "p3", Domain: "production"}
	since := time.UnixMicro(1780000000000000 + n - 10_000) // 10,000 ended lately, 1,000 of them here
	now := time.UnixMicro(1780000000000000 + 10*n)
	flood, id := store.Lane{Connection: "team", Address: "#flood"}, 0
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("f%019x", i*990+3))
	}
	for name, do := range map[string]func() error{
		"names=500":   func() error { _, err := s.Names(ctx, flyte.Shard{Scope: sc, Of: 1}, since, "", 500); return err },
		"byname=1000": func() error { _, err := s.ByName(ctx, sc, since, names); return err },
		"byname=1":    func() error { _, err := s.ByName(ctx, sc, since, names[:1]); return err },
		"shards":      func() error { _, err := s.Shards(ctx); return err },
		"fresh":       func() error { _, err := s.Fresh(ctx, store.Follow, 100); return err },
		"lanes":       func() error { _, err := s.Lanes(ctx, now); return err },
		"due=10":      func() error { _, err := s.Due(ctx, flood, now, 10); return err },
		"nextat":      func() error { _, err := s.NextAt(ctx, time.Unix(0, 0)); return err },
		"counts":      func() error { _, _, err := s.Counts(ctx); return err },
		"newest=20":   func() error { return s.Deliveries(ctx, store.Filter{Limit: 20}, nothing) },
		"no-dead":     func() error { return s.Deliveries(ctx, store.Filter{State: "dead"}, nothing) },
		"life":        func() error { id++; return live(b, s, fmt.Sprint("fresh", id)) },
		"purge=200":   func() error { _, err := s.Purge(ctx, now, time.Time{}, 200); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, do())
			}
		})
	}
}
