package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// The outputs that a task may declare.
const (
	outputPhase      = "phase"      // str: the phase last seen of what was watched
	outputDeliveries = "deliveries" // list[dict], see deliveryOutput
)

// notSeen is the phase output of a task that ended before anybody looked.
const notSeen = "UNDEFINED"

// declaredOutputs returns the names of the outputs that a task declares, sorted, and what is
// wrong with them: FlytePropeller fails a task later, and worse, when a declared one is missing.
func declaredOutputs(i *core.TypedInterface) (names []string, problems []notifier.Problem) {
	for name, v := range i.GetOutputs().GetVariables() {
		want, fits := "", false
		switch t := v.GetType(); name {
		case outputPhase:
			want, fits = "str", t.GetSimple() == core.SimpleType_STRING
		case outputDeliveries:
			want, fits = "list[dict]", t.GetCollectionType().GetSimple() == core.SimpleType_STRUCT
		default:
			want = fmt.Sprintf("one of %s: str and %s: list[dict]", outputPhase, outputDeliveries)
		}
		if !fits {
			problems = append(problems, notifier.Problem{Path: "interface.outputs." + name, Text: "must be " + want})
		}
		names = append(names, name)
	}
	slices.Sort(names)
	slices.SortFunc(problems, func(a, b notifier.Problem) int { return strings.Compare(a.Path, b.Path) })
	return names, problems
}

// outputs makes the declared ones, and no others.
func outputs(declared []string, phase string, all []store.Delivery) (*core.LiteralMap, error) {
	if len(declared) == 0 {
		return nil, nil
	}
	m := &core.LiteralMap{Literals: map[string]*core.Literal{}}
	for _, name := range declared {
		switch name {
		case outputPhase:
			m.Literals[name] = primitive(phase)
		case outputDeliveries:
			list, err := deliveryOutputs(all)
			if err != nil {
				return nil, err
			}
			m.Literals[name] = list
		}
	}
	return m, nil
}

func primitive(s string) *core.Literal {
	return scalar(&core.Scalar{Value: &core.Scalar_Primitive{
		Primitive: &core.Primitive{Value: &core.Primitive_StringValue{StringValue: s}},
	}})
}

func scalar(s *core.Scalar) *core.Literal {
	return &core.Literal{Value: &core.Literal_Scalar{Scalar: s}}
}

// deliveryOutputs is the list as flytekit writes a list[dict]: each dict as msgpack.
func deliveryOutputs(all []store.Delivery) (*core.Literal, error) {
	list := make([]*core.Literal, 0, len(all))
	for _, d := range all {
		raw, err := msgpack.Marshal(deliveryOutput(d))
		if err != nil {
			return nil, fmt.Errorf("encode delivery %s: %w", d.ID, err)
		}
		list = append(list, scalar(&core.Scalar{Value: &core.Scalar_Binary{Binary: &core.Binary{Value: raw, Tag: msgpackTag}}}))
	}
	return &core.Literal{Value: &core.Literal_Collection{Collection: &core.LiteralCollection{Literals: list}}}, nil
}

// deliveryOutput is a delivery as users' code reads it.
func deliveryOutput(d store.Delivery) map[string]any {
	receipt := map[string]string{} // never nil: users look into it
	maps.Copy(receipt, d.Receipt)
	return map[string]any{
		"rule": d.Rule, "notifier": d.Kind, "destination": d.Address, "state": string(d.State), "receipt": receipt,
	}
}
