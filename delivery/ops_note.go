package delivery

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"iter"
	"time"

	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// opsNote is the note in which servers agree what was told to whom.
type opsNote struct {
	Places map[string]opsPlace `json:"places"` // by destination
}

// opsPlace is what a destination was told.
type opsPlace struct {
	Alert  string  `json:"alert,omitempty"` // the last message
	Told   opsMark `json:"told"`            // with it
	Before opsMark `json:"before,omitzero"` // without it
}

// opsMark parts the deaths that were told from those that were not.
type opsMark struct {
	Since time.Time `json:"since"`          // what died earlier is told, or is not to be
	Late  []string  `json:"late,omitempty"` // deaths that were told and are less than opsOverlap older than Since, manyLate at most
}

// manyLate bounds a note: when a connection is removed, thousands may die at once. Beyond it deaths are told twice.
const manyLate = 10_000

// tells returns what says whether a death was told.
func (m opsMark) tells() func(store.Delivery) bool {
	late := make(map[string]bool, len(m.Late))
	for _, name := range m.Late {
		late[name] = true
	}
	return func(d store.Delivery) bool { return late[death(d)] }
}

// byPlace are the steps by the key of their destination, each destination once.
func byPlace(steps []spec.Step) iter.Seq2[string, spec.Step] {
	return func(yield func(string, spec.Step) bool) {
		seen := map[string]bool{}
		for _, s := range steps {
			key := store.NewID("o", s.Kind+"|"+s.Connection+"|"+string(s.Destination))
			if seen[key] {
				continue
			}
			if seen[key] = true; !yield(key, s) {
				return
			}
		}
	}
}

// admit takes up destinations that are new, and forgets those that are gone. It is false where all is as it was. What the
// new ones are told of begins where those that are gone were left behind, so that nothing is lost when the operators
// choose another channel; where none is gone, it begins now.
func (n *opsNote) admit(steps []spec.Step, states map[string]store.DeliveryState, now time.Time) (changed bool) {
	before := n.Places
	n.Places = map[string]opsPlace{}
	for key := range byPlace(steps) {
		place, known := before[key]
		n.Places[key], changed = place, changed || !known
	}
	from, found := opsMark{Since: now}, false
	for key, place := range before {
		if _, stays := n.Places[key]; stays {
			continue
		}
		changed = true
		mark := place.Told
		if last := states[place.Alert]; last == store.Dead || waits(last) {
			mark = place.Before
		}
		if !found || mark.Since.Before(from.Since) {
			from, found = mark, true
		}
	}
	for key, place := range n.Places {
		if place.Told.Since.IsZero() {
			n.Places[key] = opsPlace{Told: from}
		}
	}
	return changed
}

// alerts are the last messages.
func (n *opsNote) alerts() (ids []string) {
	for _, place := range n.Places {
		if place.Alert != "" {
			ids = append(ids, place.Alert)
		}
	}
	return ids
}

// rests is how long a destination gets no message, by what became of the last one: while that waits for its service
// others would wait with it.
func (p opsPlace) rests(last store.DeliveryState, now time.Time) time.Duration {
	every := opsEvery
	switch {
	case p.Alert == "":
		return 0
	case waits(last):
		return opsEvery
	case last == store.Dead:
		every = opsMourn
	}
	return min(p.Told.Since.Add(every).Sub(now), every) // at most: a clock may have been set back
}

// waits says whether a message is still to be sent.
func waits(s store.DeliveryState) bool { return s == store.Pending || s == store.Held }

// death names one, in a few letters: a delivery that was redriven may die again.
func death(d store.Delivery) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s@%d", d.ID, d.SettledAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(sum[:8])
}
