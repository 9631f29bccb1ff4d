package render

import (
	"encoding/json"
	"fmt"
)

// Inputs reads a task's inputs from JSON, numbers as Unmarshal gives them.
func Inputs(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var inputs map[string]any
	if err := decodeExact(raw, &inputs); err != nil {
		return nil, fmt.Errorf("read inputs: %w", err)
	}
	withNumbers(inputs)
	return inputs, nil
}
