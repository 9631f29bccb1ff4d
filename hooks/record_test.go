package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/hooks"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestEventsAreOnTheTimelineAndShowOnTheDelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	before := w.delivery("d1")
	require.Equal(t, http.StatusOK, w.call(event("1", "d1", "processed"), event("2", "d1", "delivered", `"response":"250 ok"`)))
	require.Equal(t, []string{
		"mail_processed d1: sendgrid: processed a…@example.org", "mail_delivered d1: sendgrid: delivered a…@example.org: 250 ok",
	}, w.timeline())
	before.Receipt["event"] = "delivered"
	require.Equal(t, before, w.delivery("d1"))

	require.Equal(t, http.StatusOK, w.call(event("3", "d1", "bounce", `"reason":"550 no such user ada@example.org"`)))
	before.Receipt["event"], before.LastError = "bounced", "sendgrid: bounced a…@example.org: 550 no such user a…@example.org"
	require.Equal(t, before, w.delivery("d1"), "its state is final")
	require.Equal(t, http.StatusOK, w.call(event("4", "d1", "open"), event("5", "d1", "dropped"), event("6", "d1", "bounce")))
	require.Equal(t, before, w.delivery("d1"), "the heaviest, and of these the first, stays")
	require.Len(t, w.timeline(), 6)
	require.Equal(t, 1, strings.Count(w.log.String(), "message did not arrive"))
	require.NotContains(t, w.log.String(), "ada@")
	require.InDelta(t, 2, w.count("events_total", "event", "bounced"), 0)
	require.InDelta(t, 3, w.count("requests_total", "result", "accepted"), 0)
}

func TestEventsAreRecordedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	w.send("d2", "mail")
	all := []string{event("1", "d1", "processed"), event("2", "d2", "processed"), event("1", "d1", "processed")}
	r := w.request("/hooks/sendgrid/mail", "mail", "["+strings.Join(all, ",")+"]")
	require.Equal(t, http.StatusOK, w.do(r).Code)
	for range 3 { // the same call again, and what SendGrid signs anew
		require.Equal(t, http.StatusOK, w.call(all...))
	}
	require.Equal(t, http.StatusOK, w.call(event("1", "d2", "processed")), "another mail's event")
	require.Len(t, w.timeline(), 3)
	require.InDelta(t, 10, w.count("events_ignored_total", "reason", "repeated"), 0)

	var g errgroup.Group
	for i := range 12 { // servers that are told the same at once
		g.Go(func() error {
			for w.call(event("9", "d1", "bounce"), event(fmt.Sprint("x", i), "d2", "open")) != http.StatusOK {
				continue // SendGrid tells again
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Len(t, w.timeline(), 3+1+12)
}

func TestABatchIsRecordedAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	w.send("d2", "mail")
	down := errors.New("disk full")
	w.store.failing(func(store.Change) error { return down })
	batch := []string{event("1", "d1", "processed"), event("2", "d2", "bounce")}
	answer := w.do(w.request("/hooks/sendgrid/mail", "mail", "["+strings.Join(batch, ",")+"]"))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.NotEmpty(t, answer.Header().Get("Retry-After"))
	require.NotContains(t, answer.Body.String(), "disk")
	require.Contains(t, w.log.String(), "disk full")
	require.Empty(t, w.timeline())
	require.Zero(t, w.count("events_total", "event", "bounced"))
	require.InDelta(t, 1, w.count("requests_total", "result", "failed"), 0)

	w.store.failing(nil)
	require.Equal(t, http.StatusOK, w.call(batch...), "SendGrid tells again")
	require.Len(t, w.timeline(), 2)
	conflicts := 0
	w.store.failing(func(store.Change) error {
		if conflicts++; conflicts < 4 {
			return store.ErrConflict
		}
		return nil
	})
	require.Equal(t, http.StatusOK, w.call(event("3", "d1", "open")))
	require.Len(t, w.timeline(), 3)
	w.store.failing(func(store.Change) error { return store.ErrConflict })
	require.Equal(t, http.StatusServiceUnavailable, w.call(event("4", "d1", "open")))
}

func TestOnlyDeliveriesOfTheConnectionAreMeant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("others", "other")
	w.send("slack", "mail", func(d *store.Delivery) { d.Kind = "slack" })
	require.Equal(t, http.StatusOK, w.call(event("1", "unknown", "bounce"), event("2", "others", "bounce"), event("3", "slack", "bounce"), `{"event":"open"}`))
	require.Empty(t, w.timeline())
	require.Empty(t, w.delivery("others").LastError)
	require.InDelta(t, 3, w.count("events_ignored_total", "reason", "foreign"), 0)
	notes, err := w.store.AllNotes(t.Context(), "heard", "", 10)
	require.NoError(t, err)
	require.Empty(t, notes)
}

func TestEventsOfWhatIsNotDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("pending", "mail", func(d *store.Delivery) { d.State, d.NextAt, d.Receipt = store.Pending, now().Add(time.Hour), nil })
	w.send("dead", "mail", func(d *store.Delivery) { d.State, d.Receipt = store.Dead, nil })
	require.Equal(t, http.StatusOK, w.call(event("1", "pending", "bounce"), event("2", "dead", "bounce")))
	require.Len(t, w.timeline(), 2)
	require.Equal(t, store.Pending, w.delivery("pending").State)
	require.Empty(t, w.delivery("pending").LastError)
	require.Empty(t, w.delivery("dead").Receipt)

	w.send("open", "mail", func(d *store.Delivery) { d.State, d.NextAt, d.OpenedAt, d.Attempts = store.Pending, now(), now(), 1 })
	require.Equal(t, http.StatusServiceUnavailable, w.call(event("3", "open", "bounce"), event("4", "dead", "open")), "its receipt is still to come")
	require.Len(t, w.timeline(), 2)
	require.NoError(t, w.store.Settle(t.Context(), "open", store.Outcome{Attempt: 1, State: store.Delivered, At: now(), Receipt: notifier.Receipt{"message_id": "m"}}))
	require.Equal(t, http.StatusOK, w.call(event("3", "open", "bounce"), event("4", "dead", "open")))
	require.Equal(t, notifier.Receipt{"message_id": "m", "event": "bounced"}, w.delivery("open").Receipt)
}

func TestTimesOfServicesAreNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	for i, stamp := range []string{"0", "1", "99999999999", `"x"`} {
		require.Equal(t, http.StatusOK, w.call(fmt.Sprintf(`{"event":"open","sg_event_id":"%d","flyte_notifier_key":"d1","timestamp":%s}`, i, stamp)))
	}
	hourAgo := time.Now().Add(-time.Hour).Unix()
	require.Equal(t, http.StatusOK, w.call(fmt.Sprintf(`{"event":"open","sg_event_id":"9","flyte_notifier_key":"d1","timestamp":%d}`, hourAgo)))
	events, err := w.store.Events(t.Context(), "w", 0, 100)
	require.NoError(t, err)
	told := slices.DeleteFunc(events, func(e store.Event) bool { return e.Kind != "mail_opened" })
	require.Len(t, told, 5)
	for _, e := range told[:4] {
		require.WithinDuration(t, time.Now(), e.At, time.Minute)
	}
	require.Equal(t, hourAgo, told[4].At.Unix())
}

func TestWhatIsKeptOfADeliveryIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	for page := range 3 {
		var all []string
		for i := range 2000 {
			all = append(all, fmt.Sprintf(`{"event":"open","sg_event_id":"%d-%d","flyte_notifier_key":"d1"}`, page, i))
		}
		require.Equal(t, http.StatusOK, w.call(all...))
	}
	require.Len(t, w.timeline(), 5000)
	require.InDelta(t, 1000, w.count("events_ignored_total", "reason", "overflow"), 0)
}

func TestWhatWasToldIsForgottenInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	require.Equal(t, http.StatusOK, w.call(event("1", "d1", "processed")))
	require.NoError(t, hooks.Purge(t.Context(), w.store, time.Now().Add(71*time.Hour)))
	require.Equal(t, http.StatusOK, w.call(event("1", "d1", "processed")))
	require.Len(t, w.timeline(), 1, "services repeat what they tell for a day")
	require.NoError(t, hooks.Purge(t.Context(), w.store, time.Now().Add(73*time.Hour)))
	notes, err := w.store.AllNotes(t.Context(), "heard", "", 10)
	require.NoError(t, err)
	require.Empty(t, notes)
	require.NoError(t, hooks.Purge(t.Context(), w.store, time.Now().Add(73*time.Hour)))
}

func TestAMemoryThatCannotBeReadIsBegunAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	require.NoError(t, w.store.Store.Write(t.Context(), store.Change{Notes: []store.Note{{Kind: "heard", Key: "d1", Body: []byte("{")}}}))
	require.Equal(t, http.StatusOK, w.call(event("1", "d1", "processed")))
	require.Equal(t, http.StatusOK, w.call(event("1", "d1", "processed")))
	require.Len(t, w.timeline(), 1)
}

func TestWhoHangsUpIsHeardAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	ctx, hangUp := context.WithCancel(t.Context())
	w.store.failing(func(store.Change) error { hangUp(); return nil })
	r := w.request("/hooks/sendgrid/mail", "mail", "["+event("1", "d1", "bounce")+"]")
	require.Equal(t, http.StatusOK, w.do(r.WithContext(ctx)).Code)
	require.Len(t, w.timeline(), 1)
}
