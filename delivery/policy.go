package delivery

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	firstBackoff = time.Second
	maxBackoff   = 5 * time.Minute
	maxRetryTime = time.Hour // a service that asks for more is asked again after this
)

// backoff is how long to wait after the nth failure in a row: doubling, with jitter that only shortens,
// so that the first is at most firstBackoff.
func backoff(n int) time.Duration {
	d := maxBackoff
	if n = max(n, 1); n < 20 {
		d = min(firstBackoff<<(n-1), maxBackoff)
	}
	return d/2 + rand.N(d/2)
}

// exhausted says whether the policy allows no further send since the last redrive.
func (o *Outbox) exhausted(d store.Delivery) bool {
	most := o.policy().MaxAttempts
	return most > 0 && d.Attempts-d.Spent >= most
}

// verdictOf is notifier.VerdictOf, with no longer a pause than is kept to.
func verdictOf(err error) (notifier.Verdict, time.Duration) {
	verdict, after := notifier.VerdictOf(err)
	return verdict, min(after, maxRetryTime)
}

// failed decides what becomes of a delivery after an error: dead or tried again. An unknown
// outcome is looked up once more even when no further send is allowed.
func (o *Outbox) failed(d store.Delivery, err error) store.Outcome {
	now := time.Now().UTC()
	verdict, after := verdictOf(err)
	wait := after
	if after <= 0 {
		wait = backoff(max(o.strikes.add(d.ID), d.Attempts-d.Spent))
	}
	if verdict == notifier.Unknown {
		wait = o.untilLook(d, wait)
	}
	out := store.Outcome{
		Attempt: attemptOf(d), State: store.Pending, NextAt: now.Add(wait),
		Unknown: verdict == notifier.Unknown, Double: d.Double,
		LastError: err.Error(), RenderError: d.RenderError, At: now,
	}
	if after > 0 {
		out.Hold = now.Add(after)
	}
	why := ""
	switch {
	case verdict == notifier.Permanent:
		why = "refused for good"
	case o.exhausted(d) && verdict != notifier.Unknown:
		why = fmt.Sprintf("gave up after %d attempts", d.Attempts-d.Spent)
	case out.NextAt.Sub(d.Since) > o.policy().MaxAge:
		why = fmt.Sprintf("gave up after %s", o.policy().MaxAge)
	}
	text := fmt.Sprintf("%s: %s to %s failed: %s", d.ID, d.Kind, d.Address, out.LastError)
	if why == "" {
		out.Event = store.Event{At: now, Kind: "retry", Text: fmt.Sprintf("%s; again in %s", text, out.NextAt.Sub(now).Round(time.Millisecond))}
		return out
	}
	o.strikes.clear(d.ID)
	out.State, out.NextAt = store.Dead, time.Time{}
	out.Event = store.Event{At: now, Kind: "dead", Text: text + "; " + why}
	return out
}

func sortedKeys(r notifier.Receipt) []string { return slices.Sorted(maps.Keys(r)) }
