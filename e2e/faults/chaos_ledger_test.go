package faults

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
)

// figures are what became of the messages to one service.
type figures struct {
	deliveries int
	attempts   int
	calls      int // that carried a message which was taken
	lost       []string
	refused    int      // dead, after an answer that refused for good
	twice      []string // messages that came again, and not as copies that the receiver tells
	copies     int      // those that it tells
	possibly   int      // recorded as possibly double
	unrecorded []string // of twice, those that are not
}

// drained waits until so many deliveries are recorded and none is pending.
func (r *chaosRun) drained(n int) (rows []agentproc.Row) {
	r.t.Helper()
	const look = 2 * time.Second // at ten thousand rows
	tick := time.NewTicker(look)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < drain && r.ctx.Err() == nil; <-tick.C {
		var err error
		if rows, err = r.rows(); err == nil && len(rows) >= n && len(pending(rows)) == 0 {
			require.Len(r.t, rows, n)
			r.t.Logf("settled %s after the last task", time.Since(begun).Round(time.Second))
			return rows
		}
	}
	r.t.Errorf("%d deliveries of %d, still pending: %+v", len(rows), n, pending(rows))
	return rows
}

// judge shows the figures, and fails the test where a guarantee was broken.
func (r *chaosRun) judge(rows []agentproc.Row, took time.Duration) {
	r.t.Helper()
	once := []string{"slack", "pagerduty", "webhook"}
	books := map[string]*book{"smtp": r.mailed.book}
	for _, s := range r.services {
		books[s.kind] = s.book
	}
	ways := map[string]int{}
	var text strings.Builder
	fmt.Fprintf(&text, "%d deliveries, %d kills (%d with a message taken and not answered), seed %d, %s\n",
		len(rows), *chaosKills, r.ambushed, *chaosSeed, took.Round(time.Second))
	fmt.Fprintln(&text, "| notifier | deliveries | attempts | taken | lost | doubled | not recorded so | possibly double | copies told by id | refused for good |")
	fmt.Fprintln(&text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, kind := range slices.Sorted(maps.Keys(books)) {
		b := books[kind]
		f := b.judge(kind, rows)
		met, odd := b.seen()
		for name, n := range met {
			ways[name] += n
		}
		fmt.Fprintf(&text, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d |\n", kind, f.deliveries, f.attempts, f.calls,
			len(f.lost), len(f.twice), len(f.unrecorded), f.possibly, f.copies, f.refused)
		assert.Empty(r.t, f.lost, "%s: lost", kind)
		assert.Empty(r.t, f.unrecorded, "%s: doubled, and not recorded as possibly double", kind)
		if slices.Contains(once, kind) {
			assert.Empty(r.t, f.twice, "%s: doubled", kind)
		}
		assert.Empty(r.t, odd[:min(len(odd), 3)], "%s: requests that the service should have taken", kind)
	}
	r.t.Logf("%sways met: %v", text.String(), ways)
}

// seen are the ways that were met, and what should not have come.
func (b *book) seen() (ways map[string]int, odd []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.ways), slices.Clone(b.odd)
}

// judge looks at each delivery of a kind. One that is dead is not lost where the service did refuse it.
func (b *book) judge(kind string, rows []agentproc.Row) (f figures) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := map[string]bool{}
	for _, row := range rows {
		if row.Notifier != kind {
			continue
		}
		id := row.Name
		if kind == "slack" {
			id = row.ID
		}
		known[id] = true
		f.add(row, b.taken[id], b.never[id])
	}
	for id := range b.taken {
		if !known[id] {
			f.unrecorded = append(f.unrecorded, "nobody's: "+id)
		}
	}
	return f
}

// add adds a delivery of which these copies were taken.
func (f *figures) add(row agentproc.Row, taken map[string]int, refused bool) {
	f.deliveries++
	f.attempts += row.Attempts
	for _, n := range taken {
		f.calls += n
		f.copies += n - 1
	}
	shown := fmt.Sprintf("%s (%s, %d attempts, %s)", row.Name, row.ID, row.Attempts, row.LastError)
	switch {
	case row.State == "dead" && refused:
		f.refused++
	case row.State != "delivered" || len(taken) == 0:
		f.lost = append(f.lost, row.State+" "+shown)
	}
	if row.Double {
		f.possibly++
	}
	if len(taken) > 1 {
		f.twice = append(f.twice, shown)
		if !row.Double || len(taken) > row.Attempts {
			f.unrecorded = append(f.unrecorded, shown)
		}
	}
}

// checkSignature checks a request as a receiver of Standard Webhooks does.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func checkSignature(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	sum := hmac.New(sha256.New, []byte(signingKey))
	_, _ = fmt.Fprintf(sum, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body) // a hash takes all
	if want := "v1," + base64.StdEncoding.EncodeToString(sum.Sum(nil)); r.Header.Get("Webhook-Signature") != want {
		return errors.New("not signed by our key")
	}
	return nil
}
