package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Archive is what Remember reads of a store.
type Archive interface {
	store.Registry
	ByName(ctx context.Context, s flyte.Scope, ended time.Time, names []string) ([]store.Watch, error)
	NotesOf(ctx context.Context, kind string, id flyte.ExecutionID) ([]store.Note, error)
}

// Remembered is what a store holds of one watch of an execution.
type Remembered struct {
	Watch      store.Watch
	Rules      []spec.Rule         // of its task; none for a watch that subscriptions made
	Unreadable []spec.Unreadable   // rules of its task that cannot be read any more
	Told       map[string]Progress // by subscription; "" is the task's own
	Deliveries []store.Delivery    // in order of creation
}

// Remember returns what the store holds of an execution: its watches by time of registration, however long ago
// they ended, until they are purged. A cancelled or lost one is there if its rules ever told something that
// is remembered, and those of the ids in also.
func Remember(ctx context.Context, s Archive, id flyte.ExecutionID, also ...string) ([]Remembered, error) {
	watches, err := watchesOf(ctx, s, id)
	if err != nil {
		return nil, err
	}
	for _, other := range also {
		w, err := s.Watch(ctx, other)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("read watch %s: %w", other, err)
		}
		if err == nil && w.Execution == id && w.Kind == store.Follow {
			watches = append(watches, w)
		}
	}
	notes, err := s.NotesOf(ctx, noteProgress, id)
	if err != nil {
		return nil, fmt.Errorf("read what was told of %s: %w", id, err)
	}
	all := map[string]*Remembered{}
	for _, w := range watches {
		all[w.ID] = &Remembered{Watch: w}
	}
	for _, note := range notes {
		m := all[note.WatchID]
		if m == nil {
			w, err := s.Watch(ctx, note.WatchID)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read watch %s: %w", note.WatchID, err)
			}
			m = &Remembered{Watch: w}
			all[w.ID] = m
		}
		told, err := readProgress(note)
		if err != nil {
			return nil, err
		}
		m.Told = bySubscription(told)
	}
	found := make([]Remembered, 0, len(all))
	for _, m := range all {
		if err := m.read(ctx, s); err != nil {
			return nil, err
		}
		found = append(found, *m)
	}
	slices.SortFunc(found, func(a, b Remembered) int {
		return cmp.Or(a.Watch.CreatedAt.Compare(b.Watch.CreatedAt), cmp.Compare(a.Watch.ID, b.Watch.ID))
	})
	return found, nil
}

// bySubscription is progress by the names of subscriptions. Of several births of one it is the last.
func bySubscription(told map[string]Progress) map[string]Progress {
	all, last := make(map[string]Progress, len(told)), map[string]int64{}
	for key, p := range told {
		name, born := nameIn(key)
		if born >= last[name] {
			all[name], last[name] = p, born
		}
	}
	return all
}

// watchesOf are the watches of the execution itself, not those of tasks that run in it.
func watchesOf(ctx context.Context, s Archive, id flyte.ExecutionID) ([]store.Watch, error) {
	watches, err := s.ByName(ctx, id.Scope, time.Unix(0, 0), []string{id.Name})
	if err != nil {
		return nil, fmt.Errorf("find watches of %s: %w", id, err)
	}
	return slices.DeleteFunc(watches, func(w store.Watch) bool { return w.Execution != id }), nil
}

// read adds the rules of the watch's task, and its deliveries.
func (m *Remembered) read(ctx context.Context, s Archive) (err error) {
	if m.Deliveries, err = s.WatchDeliveries(ctx, m.Watch.ID); err != nil {
		return fmt.Errorf("read deliveries of watch %s: %w", m.Watch.ID, err)
	}
	if len(m.Watch.Custom) == 0 {
		return nil
	}
	doc := readSpec(string(m.Watch.Custom))
	if doc.err != nil {
		return fmt.Errorf("watch %s: %w", m.Watch.ID, doc.err)
	}
	m.Rules, m.Unreadable = doc.spec.Rules, doc.spec.Unreadable
	return nil
}

// Inputs are those of the watch's task.
func (m Remembered) Inputs() (map[string]any, error) { return render.Inputs(m.Watch.Inputs) }

// DeliveriesOf are those of a rule: of the task's own, or of a subscription's.
func (m Remembered) DeliveriesOf(subscription, rule string) (all []store.Delivery) {
	for _, d := range m.Deliveries {
		key, _, _ := strings.Cut(d.Key, "|")
		if name, _ := nameIn(key); d.Rule == rule && (key == m.Watch.ID && subscription == "" || subscription != "" && name == subscription) {
			all = append(all, d)
		}
	}
	return all
}

// ToldBy is what a rule has told of the execution: as it is remembered, and of what is not, because no reminder
// can follow, by its deliveries.
func (m Remembered) ToldBy(subscription, rule string) Progress {
	told := Progress{}
	for key, t := range m.Told[subscription] {
		if name, _, _ := strings.Cut(key, "|"); name == rule {
			told[key] = t
		}
	}
	remembered := maps.Clone(told)
	for _, d := range m.DeliveriesOf(subscription, rule) {
		key := what(rule, d.Reason)
		if _, known := remembered[key]; known {
			continue
		}
		if t, ok := told[key]; !ok || d.CreatedAt.Before(t.At) {
			told[key] = Told{At: d.CreatedAt, Over: true}
		}
	}
	return told
}
