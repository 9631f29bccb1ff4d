package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
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

// look is what a look note is written from.
type look struct {
	needed bool
	of     *selection // of a subscription's watch
}

// selection is what a look note keeps of an execution: by it subscriptions select, so that no look asks for what
// those need that do not.
type selection struct {
	Workflow   string            `json:"workflow,omitempty"`
	LaunchPlan string            `json:"launch_plan,omitempty"`
	User       string            `json:"user,omitempty"`
	Trigger    string            `json:"trigger,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	CreatedAt  time.Time         `json:"created_at,omitzero"`
}

func selectedBy(x flyte.Execution) *selection {
	return &selection{x.Workflow, x.LaunchPlan, x.User, x.Trigger, x.Labels, x.CreatedAt}
}

// lookedAt is what is known of a look note's execution; of one that an earlier version wrote, no more than its name.
func lookedAt(note store.Note) (flyte.Execution, error) {
	var s selection
	if len(note.Body) > 0 {
		if err := json.Unmarshal(note.Body, &s); err != nil {
			return flyte.Execution{}, fmt.Errorf("read by what %s is selected: %w", note.Execution, err)
		}
	}
	return flyte.Execution{
		ID: note.Execution, Workflow: s.Workflow, LaunchPlan: s.LaunchPlan, User: s.User, Trigger: s.Trigger, Labels: s.Labels, CreatedAt: s.CreatedAt,
	}, nil
}

// learn makes the notes to write after a look, none if it brought nothing new.
func (m memory) learn(l learned, looks look) (notes []store.Note, err error) {
	if !maps.EqualFunc(m.progress, l.progress, maps.Equal) || !m.note.Due.Equal(l.due.Truncate(time.Microsecond)) {
		note := m.note
		note.Due = l.due
		if note.Body, err = json.Marshal(l.progress); err != nil {
			return nil, fmt.Errorf("keep what was told: %w", err)
		}
		notes = append(notes, note)
	}
	there := m.looked.Version > 0
	if looks.needed != there || there && looks.of != nil && len(m.looked.Body) == 0 {
		note := m.looked
		note.Removed = !looks.needed
		if looks.of != nil {
			if note.Body, err = json.Marshal(looks.of); err != nil {
				return nil, fmt.Errorf("keep by what %s is selected: %w", note.Execution, err)
			}
		}
		notes = append(notes, note)
	}
	return notes, nil
}
