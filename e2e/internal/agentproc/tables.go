package agentproc

import (
	"encoding/json"
	"fmt"
	"time"
)

// Row is a line of `deliveries --json` or `watches --json`, as far as tests look at it.
type Row struct {
	ID          string            `json:"id"`
	Key         string            `json:"key"`
	State       string            `json:"state"`
	Rule        string            `json:"rule"`
	Reason      string            `json:"reason"`
	Name        string            `json:"name"`
	Notifier    string            `json:"notifier"`
	Destination string            `json:"destination"`
	Attempts    int               `json:"attempts"`
	LastError   string            `json:"last_error"`
	Receipt     map[string]string `json:"receipt"`
	Double      bool              `json:"possibly_double"`
	CreatedAt   time.Time         `json:"created_at"`
}

// Deliveries runs the command of that name.
func (a *Agent) Deliveries() ([]Row, error) { return a.rows("deliveries") }

// Watches runs the command of that name.
func (a *Agent) Watches() ([]Row, error) { return a.rows("watches") }

func (a *Agent) rows(command string) ([]Row, error) {
	out, err := a.Run(command, "--json")
	if err != nil {
		return nil, err
	}
	var all []Row
	for line := range lines(out) {
		var r Row
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, fmt.Errorf("read %s: %w: %s", command, err, line)
		}
		all = append(all, r)
	}
	return all, nil
}
