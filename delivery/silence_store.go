package delivery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	noteSilence  = "silence" // the kind of note that a silence is kept in; it is due at its end
	silencesPage = 500       // so many are read at once
	writeTries   = 5         // of a change that others may make at the same time
)

// ErrUnreadable is in the error of Silences for silences that are kept, but that this version cannot read.
var ErrUnreadable = errors.New("silence cannot be read")

// Silences returns all that are kept, by id, expired ones too. With an error that is ErrUnreadable it returns
// those that can be read; any other is the store's.
func Silences(ctx context.Context, s store.Notes) (all []Silence, err error) {
	var unreadable []error
	for after := ""; ; {
		notes, err := s.AllNotes(ctx, noteSilence, after, silencesPage)
		if err != nil {
			return nil, fmt.Errorf("read silences: %w", err)
		}
		for _, n := range notes {
			silence, err := readSilence(n)
			if err != nil {
				unreadable = append(unreadable, err)
				continue
			}
			all = append(all, silence)
		}
		if len(notes) < silencesPage {
			return all, errors.Join(unreadable...)
		}
		after = notes[len(notes)-1].Key
	}
}

func readSilence(n store.Note) (s Silence, err error) {
	if err := json.Unmarshal(n.Body, &s); err != nil {
		return s, fmt.Errorf("%w: %s: %w", ErrUnreadable, n.Key, err)
	}
	s.ID = n.Key
	return s, nil
}

// AddSilence keeps a silence, and returns it with the id that it got. Its errors are those of Check and of the
// store. A running server obeys it within silencesFor and the time that the store takes.
func AddSilence(ctx context.Context, st store.Notes, s Silence) (Silence, error) {
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("add silence: %w", err)
	}
	for range writeTries {
		s.ID = strings.ToLower(rand.Text()[:8])
		err := writeSilence(ctx, st, store.Note{Key: s.ID}, s, s.CreatedAt)
		if !errors.Is(err, store.ErrConflict) { // another has this id
			return s, err
		}
	}
	return s, fmt.Errorf("add silence: %w", store.ErrConflict)
}

// ExpireSilence ends a silence now, before its time or even its beginning, and returns it as it is then. ended
// says whether this did it: one that has expired stays as it is. An unknown id is store.ErrNotFound.
func ExpireSilence(ctx context.Context, st store.Notes, id string, now time.Time) (s Silence, ended bool, err error) {
	for range writeTries {
		notes, err := st.Notes(ctx, noteSilence, []string{id})
		switch {
		case err != nil:
			return s, false, fmt.Errorf("read silence %s: %w", id, err)
		case len(notes) == 0:
			return s, false, fmt.Errorf("silence %s: %w", id, store.ErrNotFound)
		}
		if s, err = readSilence(notes[0]); err != nil {
			return s, false, err
		}
		if s.State(now) == SilenceExpired {
			return s, false, nil
		}
		s.Until = now
		if err = writeSilence(ctx, st, notes[0], s, now); !errors.Is(err, store.ErrConflict) {
			return s, err == nil, err
		}
	}
	return s, false, fmt.Errorf("expire silence %s: %w", id, store.ErrConflict)
}

func writeSilence(ctx context.Context, st store.Notes, n store.Note, s Silence, now time.Time) error {
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write silence %s: %w", s.ID, err)
	}
	n.Kind, n.Due, n.Body = noteSilence, s.Until, body
	if err := st.Write(ctx, store.Change{At: now, Notes: []store.Note{n}}); err != nil {
		return fmt.Errorf("write silence %s: %w", s.ID, err)
	}
	return nil
}

// PurgeSilences removes those that expired before a time. Several servers may do so at once.
func PurgeSilences(ctx context.Context, st store.Notes, before, now time.Time) error {
	for after := (store.Note{}); ; {
		notes, err := st.DueNotes(ctx, noteSilence, before, after, silencesPage)
		if err != nil {
			return fmt.Errorf("find expired silences: %w", err)
		}
		for _, n := range notes {
			n.Removed = true
			err := st.Write(ctx, store.Change{At: now, Notes: []store.Note{n}})
			if err != nil && !errors.Is(err, store.ErrConflict) { // else another server was faster
				return fmt.Errorf("remove silence %s: %w", n.Key, err)
			}
		}
		if len(notes) < silencesPage {
			return nil
		}
		after = notes[len(notes)-1]
	}
}
