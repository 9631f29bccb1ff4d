package storetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func remarkCases() []testCase {
	return []testCase{
		{"a remark is on the timeline, and shows on what was delivered", remarkShows},
		{"a remark changes no state, and nothing of what is not delivered", remarkChangesNoState},
		{"a remark on what is not there is passed over", remarkPassesOver},
		{"a remark with a note that changed meanwhile writes nothing", remarkGuarded},
		{"remarks made at the same time are all kept", remarkRaces},
		{"texts that are none do no harm to remarks", remarkBroken},
	}
}

// bounced is a remark with an event, a key of the receipt and an error.
func bounced(id string) store.Remark {
	return store.Remark{
		ID: id, Events: []store.Event{{At: after(9), Kind: "mail_delivered", Text: "1"}, {At: after(9), Kind: "mail_bounced", Text: "2"}},
		Receipt: notifier.Receipt{"event": "bounce"}, LastError: "550",
	}
}

func remark(t *testing.T, s store.Store, all ...store.Remark) {
	t.Helper()
	require.NoError(t, s.Write(t.Context(), store.Change{At: after(9), Remarks: all}))
}

// deliver settles a delivery as Delivered.
func deliver(t *testing.T, s store.Store, id string, r notifier.Receipt) {
	t.Helper()
	require.NoError(t, s.Settle(t.Context(), id, store.Outcome{State: store.Delivered, Receipt: r, LastError: "earlier", At: after(2)}))
}

func remarkShows(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"), delivery("other", "w"), delivery("bare", "w"))
	deliver(t, s, "d", notifier.Receipt{"message_id": "m", "event": "processed"})
	deliver(t, s, "other", notifier.Receipt{"message_id": "o"})
	deliver(t, s, "bare", nil)
	want, other, line := readDelivery(t, s, "d"), readDelivery(t, s, "other"), events(t, s, "w")
	remark(t, s, bounced("d"))
	want.Receipt, want.LastError = notifier.Receipt{"message_id": "m", "event": "bounce"}, "550"
	equal(t, want, readDelivery(t, s, "d"))
	equal(t, other, readDelivery(t, s, "other"))
	told := events(t, s, "w")[len(line):]
	require.Equal(t, []string{"mail_delivered", "mail_bounced"}, kinds(told))
	require.Equal(t, "2", told[1].Text)
	require.True(t, after(9).Equal(told[0].At))

	remark(t, s, store.Remark{ID: "d", Receipt: notifier.Receipt{"more": "1"}}, store.Remark{ID: "bare", Receipt: notifier.Receipt{"event": "dropped"}})
	want.Receipt = notifier.Receipt{"message_id": "m", "event": "bounce", "more": "1"}
	equal(t, want, readDelivery(t, s, "d"))
	require.Equal(t, notifier.Receipt{"event": "dropped"}, readDelivery(t, s, "bare").Receipt)
	require.Equal(t, "earlier", readDelivery(t, s, "bare").LastError)
}

func remarkChangesNoState(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("pending", "w"), delivery("dead", "w", to("mail", "x")), delivery("held", "w", held("b", after(5))))
	settle(t, s, "dead", store.Dead, after(1))
	ids := []string{"pending", "dead", "held"}
	for _, id := range ids {
		before, line := readDelivery(t, s, id), len(events(t, s, "w"))
		remark(t, s, bounced(id))
		equal(t, before, readDelivery(t, s, id))
		require.Len(t, events(t, s, "w"), line+2, "it is told all the same")
	}
	require.Equal(t, []string{"pending"}, dueIDs(t, s, lane(), after(100), 10))
}

func remarkPassesOver(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	require.NoError(t, s.Write(t.Context(), store.Change{Deliveries: []store.Delivery{delivery("unwatched", "nobody")}}))
	deliver(t, s, "d", nil)
	deliver(t, s, "unwatched", nil)
	remark(t, s, bounced("none"), bounced("d"), bounced("unwatched"))
	require.Equal(t, "bounce", readDelivery(t, s, "d").Receipt["event"])
	require.Equal(t, "bounce", readDelivery(t, s, "unwatched").Receipt["event"], "it has no timeline")
	err := s.Write(t.Context(), store.Change{Remarks: []store.Remark{bounced("d"), bounced("d")}})
	require.ErrorContains(t, err, "remark on delivery d")
}

func remarkGuarded(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	deliver(t, s, "d", nil)
	write(t, s, note("a"))
	before, line := readDelivery(t, s, "d"), events(t, s, "w")
	err := s.Write(t.Context(), store.Change{At: after(9), Notes: []store.Note{note("a")}, Remarks: []store.Remark{bounced("d")}})
	require.ErrorIs(t, err, store.ErrConflict)
	equal(t, before, readDelivery(t, s, "d"))
	equal(t, line, events(t, s, "w"))
	require.NoError(t, s.Write(t.Context(), store.Change{At: after(9), Notes: []store.Note{note("a", version(1))}, Remarks: []store.Remark{bounced("d")}}))
	require.Equal(t, "550", readDelivery(t, s, "d").LastError)
}

func remarkRaces(t *testing.T, s store.Store) {
	const many = 20
	insert(t, s, "w", delivery("d", "w"))
	deliver(t, s, "d", nil)
	line := len(events(t, s, "w"))
	together(t, many, func(i int) error {
		r := store.Remark{ID: "d", Receipt: notifier.Receipt{fmt.Sprint("k", i): "1"}, Events: []store.Event{{At: after(9), Kind: "mail_opened"}}}
		return s.Write(t.Context(), store.Change{At: after(9), Remarks: []store.Remark{r}})
	})
	require.Len(t, readDelivery(t, s, "d").Receipt, many)
	require.Len(t, events(t, s, "w"), line+many)
}

func remarkBroken(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	deliver(t, s, "d", nil)
	broken := "a\x00b\xff"
	remark(t, s, store.Remark{
		ID: "d", LastError: broken, Receipt: notifier.Receipt{"event": broken}, Events: []store.Event{{At: after(9), Kind: "mail_bounced", Text: broken}},
	}, store.Remark{ID: broken, LastError: broken})
	require.Contains(t, readDelivery(t, s, "d").LastError, "a")
	require.Contains(t, readDelivery(t, s, "d").Receipt["event"], "a")
}
