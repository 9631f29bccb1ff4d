package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// The kinds of notes that the executor keeps.
const (
	noteProgress = "progress" // of a watch: what its rules have told, and when to look again
	noteLook     = "look"     // of a watch whose execution must be looked into while it runs
)

// memory is what is remembered of a watch.
type memory struct {
	note     store.Note
	progress map[string]Progress // by subscription; "" is the watch's own task
	looked   store.Note          // Version 0 while it is not looked into
}

// remember reads what is remembered of a watch.
func (n *NotifierExecutor) remember(ctx context.Context, w store.Watch, need needs) (m memory, err error) {
	if !need.memory {
		return m, nil
	}
	if m.note, err = n.note(ctx, noteProgress, w); err != nil {
		return m, err
	}
	if need.looks() {
		if m.looked, err = n.note(ctx, noteLook, w); err != nil {
			return m, err
		}
	}
	m.progress, err = readProgress(m.note)
	return m, err
}

func readProgress(note store.Note) (p map[string]Progress, err error) {
	if len(note.Body) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(note.Body, &p); err != nil {
		return nil, fmt.Errorf("read what watch %s has told: %w", note.WatchID, err)
	}
	return p, nil
}

// note reads a watch's note, or makes a new one.
func (n *NotifierExecutor) note(ctx context.Context, kind string, w store.Watch) (store.Note, error) {
	found, err := n.store.Notes(ctx, kind, []string{w.ID})
	if err != nil {
		return store.Note{}, fmt.Errorf("read %s of watch %s: %w", kind, w.ID, err)
	}
	if len(found) > 0 {
		return found[0], nil
	}
	return store.Note{Kind: kind, Key: w.ID, WatchID: w.ID, Execution: w.Execution}, nil
}

// learned is what a look brings to remember.
type learned struct {
	progress map[string]Progress
	due      time.Time
}

// next begins with what is remembered: of a subscription that is gone for now too.
func (m memory) next() learned {
	return learned{progress: maps.Clone(m.progress)}
}

func (l *learned) add(set string, a Advanced) {
	l.due = earliest(l.due, a.Due)
	if len(a.Progress) == 0 {
		delete(l.progress, set)
		return
	}
	if l.progress == nil {
		l.progress = map[string]Progress{}
	}
	l.progress[set] = a.Progress
}

// waits says whether something is not told yet, since it must last first.
func (l learned) waits() bool {
	for _, p := range l.progress {
		for _, t := range p {
			if t.waits() {
				return true
			}
		}
	}
	return false
}

// learn makes the notes to write after a look, none if it brought nothing new.
func (m memory) learn(l learned, looks bool) (notes []store.Note, err error) {
	if !maps.EqualFunc(m.progress, l.progress, maps.Equal) || !m.note.Due.Equal(l.due.Truncate(time.Microsecond)) {
		note := m.note
		note.Due = l.due
		if note.Body, err = json.Marshal(l.progress); err != nil {
			return nil, fmt.Errorf("keep what was told: %w", err)
		}
		notes = append(notes, note)
	}
	if looks != (m.looked.Version > 0) {
		note := m.looked
		note.Removed = !looks
		notes = append(notes, note)
	}
	return notes, nil
}
