package hooks

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// hashed is the first bytes of the hash of an id: enough to tell a delivery's news apart.
type hashed [8]byte

// mostHeard bounds what is kept of one delivery, on its timeline and of ids: a mail to 1,000 people has some
// thousands of events, and pictures that are loaded again and again have no end.
const mostHeard = 5000

// memory is which news of a delivery were told already.
type memory struct {
	ids  []byte // hashed, one behind the other
	seen map[hashed]bool
}

// remembered is a memory as it is kept.
type remembered struct {
	IDs []byte `json:"ids"`
}

// readMemory reads a note, or nothing from one that is not there or cannot be read: to tell twice is better than not
// at all.
func readMemory(n store.Note) *memory {
	var r remembered
	if len(n.Body) > 0 && json.Unmarshal(n.Body, &r) != nil {
		r.IDs = nil
	}
	m := &memory{ids: r.IDs, seen: map[hashed]bool{}}
	for rest := m.ids; len(rest) >= len(hashed{}); rest = rest[len(hashed{}):] {
		m.seen[hashed(rest[:len(hashed{})])] = true
	}
	return m
}

// add says why news are not to be told, if they are not, and remembers them otherwise.
func (m *memory) add(id string) (why string) {
	sum := sha256.Sum256([]byte(id))
	key := hashed(sum[:len(hashed{})])
	switch {
	case m.seen[key]:
		return repeated
	case len(m.seen) >= mostHeard:
		return overflow
	}
	m.seen[key], m.ids = true, append(m.ids, key[:]...)
	return ""
}

// note is the memory as it is kept, in place of an earlier one.
func (m *memory) note(delivery string, before store.Note) store.Note {
	body, _ := json.Marshal(remembered{IDs: m.ids}) // bytes always can be
	return store.Note{Kind: noteHeard, Key: delivery, Body: body, Version: before.Version}
}

// purgePage is how many memories are removed at once.
const purgePage = 500

// Purge removes what nobody needs to remember any more: services repeat what they tell for a day at most. Several
// servers may do so at once.
func Purge(ctx context.Context, s Store, now time.Time) error {
	for after := (store.Note{}); ; {
		notes, err := s.DueNotes(ctx, noteHeard, now, after, purgePage)
		if err != nil {
			return fmt.Errorf("find what services have told: %w", err)
		}
		if len(notes) == 0 {
			return nil
		}
		for i := range notes {
			notes[i].Removed = true
		}
		err = s.Write(ctx, store.Change{At: now, Notes: notes})
		if err != nil && !errors.Is(err, store.ErrConflict) { // else one was told of meanwhile: the next purge finds the rest
			return fmt.Errorf("forget what services have told: %w", err)
		}
		if len(notes) < purgePage {
			return nil
		}
		after = notes[len(notes)-1]
	}
}
