package spec

import (
	"encoding/json"
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// Unreadable is a rule that was stored and cannot be read any more: its time zone is not known here, or another
// version wrote it.
type Unreadable struct {
	Rule string // its name; empty where not even that can be read
	Err  error
}

// Error says which rule it is, and why.
func (u Unreadable) Error() string {
	return fmt.Sprintf("rule %s cannot be read: %v", strict.Quote(u.Rule), u.Err)
}

// Unwrap is the reason.
func (u Unreadable) Unwrap() error { return u.Err }

// UnmarshalJSON reads what a task was stored as. Rules that cannot be read are Unreadable, so that they stop no
// other. The error is that of a document that is no task at all.
func (t *Task) UnmarshalJSON(raw []byte) error {
	var doc struct {
		Wait  bool              `json:"wait"`
		Rules []json.RawMessage `json:"rules"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	*t = Task{Wait: doc.Wait, Rules: make([]Rule, 0, len(doc.Rules))}
	for _, raw := range doc.Rules {
		var r Rule
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Unreadable = append(t.Unreadable, Unreadable{storedName(raw), err})
			continue
		}
		t.Rules = append(t.Rules, r)
	}
	return nil
}

// storedName is the name in a stored rule, as far as it can be found.
func storedName(raw json.RawMessage) string {
	var keys map[string]json.RawMessage
	var name string
	if json.Unmarshal(raw, &keys) != nil || json.Unmarshal(keys["name"], &name) != nil {
		return ""
	}
	return name
}
