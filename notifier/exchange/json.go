package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// JSON is v as JSON on one line, in which <, > and & stand as they are: limits count bytes, and escaped they take six.
func JSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// PostJSON posts v as JSON, as Do does. What cannot be written as JSON is Permanent.
func (s Service) PostJSON(ctx context.Context, address string, v any) (Answer, error) {
	body, err := JSON(v)
	if err != nil {
		return Answer{}, notifier.Permanent.Errorf("%s: %w", s.Name, err)
	}
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	maps.Copy(header, s.Header)
	return s.Do(ctx, http.MethodPost, address, header, string(body))
}
