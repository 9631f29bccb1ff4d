package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// web posts each message to a server over HTTP, as notifiers do.
type web struct {
	url    string
	client *http.Client
	sent   func(key string)
}

func (w web) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/"+d.Address()[1:], nil)
	if err != nil {
		return nil, err
	}
	if w.sent != nil {
		w.sent(m.Key)
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return notifier.Receipt{"id": m.Key}, errors.Join(err, answer.Body.Close())
}

// unlimited is a service that takes all it gets.
func unlimited(b *testing.B, sent func(string)) web {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(s.Close)
	return web{url: s.URL, sent: sent, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}}
}

// batch stores n deliveries of one watch, each to a channel of its own.
func (w *servers) batch(watch string, n int) {
	var all []store.Delivery
	for i := range n {
		channel := fmt.Sprint("#", i)
		all = append(all, w.delivery(fmt.Sprint(watch, "-", i), "chat", "team", channel, json.RawMessage(`{"channel": "`+channel+`"}`)))
	}
	w.move(watch, all...)
}

// awaitSettled waits until n deliveries are delivered.
func (w *servers) awaitSettled(n int) {
	require.Eventually(w.t, func() bool {
		_, deliveries, err := w.store.Counts(w.t.Context())
		require.NoError(w.t, err)
		return deliveries[store.Delivered] == n
	}, 10*time.Minute, 100*time.Millisecond)
}

// BenchmarkPostgresBacklog works off a backlog to 50 channels without a limit: one server, durable.
func BenchmarkPostgresBacklog(b *testing.B) {
	const lanes = 50
	w := on(b, pgtest.Start(b, pgtest.Options{}).Database(b), unlimited(b, nil))
	n := 0
	for i := 0; n < b.N; i++ {
		w.batch(fmt.Sprint("w", i), lanes)
		n += lanes
	}
	b.ResetTimer()
	w.start()
	w.awaitSettled(n)
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkPostgresThrough takes transitions as they come, from 64 callers, and delivers.
func BenchmarkPostgresThrough(b *testing.B) {
	w := on(b, pgtest.Start(b, pgtest.Options{}).Database(b), unlimited(b, nil))
	w.start()
	var next atomic.Int64
	var callers sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		callers.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				w.add(fmt.Sprint("w", n), fmt.Sprint("#", n%50))
			}
		})
	}
	callers.Wait()
	w.awaitSettled(b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkPostgresLatency measures from a transition that is to be recorded to the call of the service.
func BenchmarkPostgresLatency(b *testing.B) {
	var mu sync.Mutex
	began, all := map[string]time.Time{}, []time.Duration{}
	w := on(b, pgtest.Start(b, pgtest.Options{}).Database(b), unlimited(b, func(key string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, time.Since(began[key]))
	}))
	watches := make([]store.Watch, b.N)
	for i := range watches {
		var err error
		watches[i], err = w.store.Register(b.Context(), w.watch(fmt.Sprint("w", i)))
		require.NoError(b, err)
	}
	w.start()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	b.ResetTimer()
	for i, watch := range watches {
		<-tick.C
		d := w.delivery(watch.ID, "chat", "team", fmt.Sprint("#", i%50), json.RawMessage(`{"channel": "#a"}`))
		d.WatchID, d.Execution = watch.ID, watch.Execution
		mu.Lock()
		began[d.ID] = time.Now()
		mu.Unlock()
		go func() {
			err := w.store.Move(b.Context(), store.Transition{Watch: watch, Change: store.Change{Deliveries: []store.Delivery{d}}})
			if err != nil {
				b.Error(err)
			}
		}()
	}
	w.awaitSettled(b.N)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "ms-p99")
}

// BenchmarkPostgresBeside measures how long a delivery waits beside a backlog: to a quiet channel of the same
// connection, and of another.
func BenchmarkPostgresBeside(b *testing.B) {
	for _, connection := range []string{"team", "quiet"} {
		b.Run(connection, func(b *testing.B) { beside(b, connection) })
	}
}

func beside(b *testing.B, connection string) {
	const lanes, watches = 50, 400
	sent := make(chan string, lanes*watches+1)
	w := on(b, pgtest.Start(b, pgtest.Options{}).Database(b), unlimited(b, func(key string) { sent <- key }))
	w.conns = append(w.conns, &notifier.Connection{Name: "quiet", Kind: "chat", Notifier: w.conns[0].Notifier})
	for i := range watches {
		w.batch(fmt.Sprint("w", i), lanes)
	}
	w.start()
	<-sent // it has begun
	before, begin := 1, time.Now()
	w.move("urgent", w.delivery("urgent", "chat", connection, "#urgent", json.RawMessage(`{"channel": "#urgent"}`)))
	for <-sent != "urgent" {
		before++
	}
	b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms")
	b.ReportMetric(float64(before), "before-it")
	w.awaitSettled(lanes*watches + 1)
}
