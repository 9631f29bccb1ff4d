package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/vmihailenco/msgpack/v5"
)

const (
	maxInput   = 64 << 10 // bytes of one input as JSON
	maxDepth   = 32
	msgpackTag = "msgpack" // of flytekit's binary literals

)

// decodeInputs turns a task's inputs into plain values for rules and templates: integers stay
// exact, times become RFC 3339 and durations Go's, files and datasets become their URIs, and a
// dataclass (msgpack) a map. What cannot be read, or is too large, becomes a text that says so: an
// odd input must not cost the notification.
func decodeInputs(m *core.LiteralMap) map[string]any {
	inputs := make(map[string]any, len(m.GetLiterals()))
	for name, l := range m.GetLiterals() {
		v := decodeLiteral(l, 0)
		raw, err := json.Marshal(v)
		switch {
		case err != nil:
			v = fmt.Sprintf("(unreadable: %v)", err)
		case len(raw) > maxInput:
			v = fmt.Sprintf("(left out: %d bytes)", len(raw))
		}
		inputs[clean(name)] = v
	}
	return inputs
}

func decodeLiteral(l *core.Literal, depth int) any {
	if depth > maxDepth {
		return "(nested too deep)"
	}
	switch v := l.GetValue().(type) {
	case *core.Literal_Scalar:
		return decodeScalar(v.Scalar, depth)
	case *core.Literal_Collection:
		list := make([]any, 0, len(v.Collection.GetLiterals()))
		for _, e := range v.Collection.GetLiterals() {
			list = append(list, decodeLiteral(e, depth+1))
		}
		return list
	case *core.Literal_Map:
		m := make(map[string]any, len(v.Map.GetLiterals()))
		for k, e := range v.Map.GetLiterals() {
			m[k] = decodeLiteral(e, depth+1)
		}
		return m
	case *core.Literal_OffloadedMetadata:
		return v.OffloadedMetadata.GetUri()
	}
	return nil
}

func decodeScalar(s *core.Scalar, depth int) any {
	switch v := s.GetValue().(type) {
	case *core.Scalar_Primitive:
		return decodePrimitive(v.Primitive)
	case *core.Scalar_Blob:
		return v.Blob.GetUri()
	case *core.Scalar_Schema:
		return v.Schema.GetUri()
	case *core.Scalar_StructuredDataset:
		return v.StructuredDataset.GetUri()
	case *core.Scalar_Binary:
		return decodeBinary(v.Binary, depth)
	case *core.Scalar_Generic:
		return plain(v.Generic.AsMap(), depth)
	case *core.Scalar_Union:
		return decodeLiteral(v.Union.GetValue(), depth+1)
	case *core.Scalar_Error:
		return map[string]any{"message": v.Error.GetMessage(), "failed_node_id": v.Error.GetFailedNodeId()}
	}
	return nil
}

func decodePrimitive(p *core.Primitive) any {
	switch v := p.GetValue().(type) {
	case *core.Primitive_Integer:
		return v.Integer
	case *core.Primitive_FloatValue:
		return finite(v.FloatValue)
	case *core.Primitive_StringValue:
		return v.StringValue
	case *core.Primitive_Boolean:
		return v.Boolean
	case *core.Primitive_Datetime:
		return v.Datetime.AsTime().Format(time.RFC3339Nano)
	case *core.Primitive_Duration:
		return v.Duration.AsDuration().String()
	}
	return nil
}

// finite keeps what JSON cannot say as text.
func finite(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Sprint(f)
	}
	return f
}

func decodeBinary(b *core.Binary, depth int) any {
	if b.GetTag() != msgpackTag {
		return fmt.Sprintf("(%d bytes of %s)", len(b.GetValue()), b.GetTag())
	}
	if len(b.GetValue()) > maxInput { // also bounds how deep the decoder can be led
		return fmt.Sprintf("(left out: %d bytes)", len(b.GetValue()))
	}
	d := msgpack.NewDecoder(bytes.NewReader(b.GetValue()))
	d.UseLooseInterfaceDecoding(true)
	d.SetMapDecoder(func(d *msgpack.Decoder) (any, error) { return d.DecodeUntypedMap() })
	v, err := d.DecodeInterface()
	if err != nil {
		return fmt.Sprintf("(unreadable msgpack: %v)", err)
	}
	return plain(v, depth)
}

// plain makes a decoded tree one of JSON's: string keys, finite numbers, text for bytes.
func plain(v any, depth int) any {
	if depth > maxDepth {
		return "(nested too deep)"
	}
	switch v := v.(type) {
	case map[any]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[fmt.Sprint(k)] = plain(e, depth+1)
		}
		return m
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = plain(e, depth+1)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plain(e, depth+1)
		}
		return list
	case float64:
		return finite(v)
	case float32:
		return finite(float64(v))
	case []byte:
		return fmt.Sprintf("(%d bytes)", len(v))
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case fmt.Stringer:
		return v.String()
	}
	return v
}
