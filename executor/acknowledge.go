package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Acknowledge ends the reminders and escalations of all that was told of an execution so far, and returns how
// many occurrences that were. The running server sees it when the next one is due.
func Acknowledge(ctx context.Context, s store.Notes, id flyte.ExecutionID, now time.Time) (int, error) {
	return AcknowledgeBy(ctx, s, id, "", now)
}

// AcknowledgeBy is Acknowledge, and keeps who did it.
func AcknowledgeBy(ctx context.Context, s store.Notes, id flyte.ExecutionID, by string, now time.Time) (int, error) {
	for range 5 {
		n, err := acknowledge(ctx, s, id, by, now)
		if !errors.Is(err, store.ErrConflict) {
			return n, err
		}
	}
	return 0, fmt.Errorf("acknowledge %s: %w", id, store.ErrConflict)
}

func acknowledge(ctx context.Context, s store.Notes, id flyte.ExecutionID, by string, now time.Time) (n int, err error) {
	notes, err := s.NotesOf(ctx, noteProgress, id)
	if err != nil {
		return 0, fmt.Errorf("read what was told of %s: %w", id, err)
	}
	c := store.Change{At: now}
	for _, note := range notes {
		told, err := readProgress(note)
		if err != nil {
			return 0, err
		}
		here := 0
		for _, p := range told {
			here += p.acknowledge(by, now)
		}
		if here == 0 {
			continue
		}
		n += here
		if note.Body, err = json.Marshal(told); err != nil {
			return 0, fmt.Errorf("keep the acknowledgement: %w", err)
		}
		note.Due = now // so that what is not sent yet is taken back
		c.Notes = append(c.Notes, note)
	}
	if n == 0 {
		return 0, nil
	}
	if err := s.Write(ctx, c); err != nil {
		return 0, fmt.Errorf("acknowledge %s: %w", id, err)
	}
	return n, nil
}
