package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/protobuf/proto"
)

const (
	maxInput  = 64 << 10  // bytes of one input, as it comes and as JSON
	maxInputs = 256 << 10 // and of all together
	maxDepth  = 32
)

// tooDeep stands for what is nested deeper than maxDepth.
const tooDeep = "(nested too deep)"

// decodeInputs turns a task's inputs into plain values for rules and templates: integers stay
// exact, times become RFC 3339 and durations Go's, files and datasets become their URIs, and a
// dataclass (msgpack) a map. What cannot be read, or is too large, becomes a text that says so: an
// odd input must not cost the notification.
func decodeInputs(m *core.LiteralMap) map[string]any {
	inputs := make(map[string]any, len(m.GetLiterals()))
	room := maxInputs
	for _, name := range slices.Sorted(maps.Keys(m.GetLiterals())) {
		v, size := decodeInput(m.GetLiterals()[name])
		if size = size + len(name); size > room {
			v, size = leftOut(size), 0
		}
		room -= size
		inputs[name] = v
	}
	return inputs
}

// decodeInput returns a value that JSON can say, and its size as JSON.
func decodeInput(l *core.Literal) (v any, size int) {
	if size := proto.Size(l); size > maxInput {
		return leftOut(size), 0
	}
	v = decodeLiteral(l, 0)
	raw, err := json.Marshal(v)
	switch {
	case err != nil:
		return fmt.Sprintf("(unreadable: %v)", err), 0
	case len(raw) > maxInput:
		return leftOut(len(raw)), 0
	}
	return v, len(raw)
}

func leftOut(size int) string { return fmt.Sprintf("(left out: %d bytes)", size) }

func decodeLiteral(l *core.Literal, depth int) any {
	if depth > maxDepth {
		return tooDeep
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
		return shallow(v.Generic.AsMap(), depth)
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

// shallow cuts off what is nested too deep in a tree of JSON.
func shallow(v any, depth int) any {
	if depth > maxDepth {
		return tooDeep
	}
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = shallow(e, depth+1)
		}
	case []any:
		for i, e := range v {
			v[i] = shallow(e, depth+1)
		}
	}
	return v
}
