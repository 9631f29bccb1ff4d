package render

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Inputs reads a task's inputs from JSON, numbers as Unmarshal gives them.
func Inputs(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var inputs map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&inputs); err != nil {
		return nil, fmt.Errorf("read inputs: %w", err)
	}
	for name, v := range inputs {
		inputs[name] = withNumbers(v)
	}
	return inputs, nil
}
