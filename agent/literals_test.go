package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// recorder is a store that keeps the last watch, in memory.
type recorder struct {
	store.Registry
	watch store.Watch
}

func (r *recorder) Register(_ context.Context, w store.Watch) (store.Watch, error) {
	r.watch = w
	return w, nil
}

// decode returns the inputs of a task as they are stored.
func decode(t testing.TB, literals map[string]*core.Literal) json.RawMessage {
	t.Helper()
	r := &recorder{}
	svc := agent.New(agent.Options{
		Store: r, Registry: builtin.Registry(&bytes.Buffer{}), Connections: connections(), Log: discard(), Registered: func(store.Watch) {},
	})
	_, err := svc.CreateTask(t.Context(), request(t, object{"rules": rules()}, func(r *admin.CreateTaskRequest) {
		r.Inputs = &core.LiteralMap{Literals: literals}
	}))
	require.NoError(t, err)
	require.NotEmpty(t, r.watch.ID, "an odd input must not cost the notification")
	require.True(t, json.Valid(r.watch.Inputs))
	return r.watch.Inputs
}

func literal(s *core.Scalar) *core.Literal {
	return &core.Literal{Value: &core.Literal_Scalar{Scalar: s}}
}

func primitive(p *core.Primitive) *core.Literal {
	return literal(&core.Scalar{Value: &core.Scalar_Primitive{Primitive: p}})
}

func text(s string) *core.Literal {
	return primitive(&core.Primitive{Value: &core.Primitive_StringValue{StringValue: s}})
}

func integer(i int64) *core.Literal {
	return primitive(&core.Primitive{Value: &core.Primitive_Integer{Integer: i}})
}

func float(f float64) *core.Literal {
	return primitive(&core.Primitive{Value: &core.Primitive_FloatValue{FloatValue: f}})
}

func collection(all ...*core.Literal) *core.Literal {
	return &core.Literal{Value: &core.Literal_Collection{Collection: &core.LiteralCollection{Literals: all}}}
}

func mapping(m map[string]*core.Literal) *core.Literal {
	return &core.Literal{Value: &core.Literal_Map{Map: &core.LiteralMap{Literals: m}}}
}

func union(l *core.Literal) *core.Literal {
	return literal(&core.Scalar{Value: &core.Scalar_Union{Union: &core.Union{Value: l}}})
}

func binary(tag string, raw []byte) *core.Literal {
	return literal(&core.Scalar{Value: &core.Scalar_Binary{Binary: &core.Binary{Tag: tag, Value: raw}}})
}

func packed(t testing.TB, v any) *core.Literal {
	t.Helper()
	raw, err := msgpack.Marshal(v)
	require.NoError(t, err)
	return binary("msgpack", raw)
}

func generic(t testing.TB, m object) *core.Literal {
	s, err := structpb.NewStruct(m)
	require.NoError(t, err)
	return literal(&core.Scalar{Value: &core.Scalar_Generic{Generic: s}})
}

func TestEveryKindOfLiteral(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 33, 0, 123456789, time.UTC)
	nested := object{"rows": list{object{"n": int64(1) << 60, "u": uint64(math.MaxUint64), "f": 0.5, "none": nil, "yes": true}}}
	for name, tc := range map[string]struct {
		literal *core.Literal
		want    string
	}{
		"integer":            {integer(42), `42`},
		"exact integer":      {integer(1<<53 + 1), `9007199254740993`},
		"least integer":      {integer(math.MinInt64), `-9223372036854775808`},
		"float":              {float(0.1), `0.1`},
		"NaN":                {float(math.NaN()), `"NaN"`},
		"infinity":           {float(math.Inf(1)), `"+Inf"`},
		"minus infinity":     {float(math.Inf(-1)), `"-Inf"`},
		"string":             {text("é <b>\u0000"), `"é <b>\u0000"`},
		"boolean":            {primitive(&core.Primitive{Value: &core.Primitive_Boolean{Boolean: true}}), `true`},
		"datetime":           {primitive(&core.Primitive{Value: &core.Primitive_Datetime{Datetime: timestamppb.New(at)}}), `"2026-11-22T09:33:00.123456789Z"`},
		"datetime of ever":   {primitive(&core.Primitive{Value: &core.Primitive_Datetime{Datetime: &timestamppb.Timestamp{Seconds: -1 << 62}}}), ``},
		"duration":           {primitive(&core.Primitive{Value: &core.Primitive_Duration{Duration: durationpb.New(90 * time.Second)}}), `"1m30s"`},
		"duration of ever":   {primitive(&core.Primitive{Value: &core.Primitive_Duration{Duration: &durationpb.Duration{Seconds: math.MaxInt64}}}), `"2562047h47m16.854775807s"`},
		"primitive of none":  {primitive(&core.Primitive{}), `null`},
		"list":               {collection(integer(1), text("a"), collection()), `[1,"a",[]]`},
		"map":                {mapping(map[string]*core.Literal{"a": integer(1), "b": mapping(nil)}), `{"a":1,"b":{}}`},
		"union":              {union(text("a")), `"a"`},
		"optional without":   {union(literal(&core.Scalar{Value: &core.Scalar_NoneType{NoneType: &core.Void{}}})), `null`},
		"none":               {literal(&core.Scalar{Value: &core.Scalar_NoneType{NoneType: &core.Void{}}}), `null`},
		"nothing":            {&core.Literal{}, `null`},
		"nil":                {nil, `null`},
		"blob":               {literal(&core.Scalar{Value: &core.Scalar_Blob{Blob: &core.Blob{Uri: "s3://b/file"}}}), `"s3://b/file"`},
		"schema":             {literal(&core.Scalar{Value: &core.Scalar_Schema{Schema: &core.Schema{Uri: "s3://b/schema"}}}), `"s3://b/schema"`},
		"structured dataset": {literal(&core.Scalar{Value: &core.Scalar_StructuredDataset{StructuredDataset: &core.StructuredDataset{Uri: "s3://b/ds"}}}), `"s3://b/ds"`},
		"error":              {literal(&core.Scalar{Value: &core.Scalar_Error{Error: &core.Error{FailedNodeId: "n1", Message: "boom"}}}), `{"failed_node_id":"n1","message":"boom"}`},
		"offloaded":          {&core.Literal{Value: &core.Literal_OffloadedMetadata{OffloadedMetadata: &core.LiteralOffloadedMetadata{Uri: "s3://b/big"}}}, `"s3://b/big"`},
		"generic":            {generic(t, object{"a": list{1, "x", nil}, "nan": math.NaN()}), `{"a":[1,"x",null],"nan":"NaN"}`},
		"dataclass":          {packed(t, nested), `{"rows":[{"f":0.5,"n":1152921504606846976,"none":null,"u":18446744073709551615,"yes":true}]}`},
		"keys of any type":   {packed(t, map[any]any{1: "int", true: "bool", 1.5: "float", nil: "nil"}), `{"1":"int","1.5":"float","<nil>":"nil","true":"bool"}`},
		"a key that is a list": {
			binary("msgpack", []byte{0x81, 0x92, 1, 2, 0xa1, 'x'}), `{"[1 2]":"x"}`,
		},
		"msgpack NaN":       {packed(t, list{math.NaN(), float32(0.5)}), `["NaN",0.5]`},
		"msgpack bytes":     {packed(t, list{[]byte("abc"), []byte{}, 7}), `["(3 bytes)","(0 bytes)",7]`},
		"msgpack timestamp": {packed(t, at), `"2026-11-22T09:33:00.123456789Z"`},
		"msgpack not UTF-8": {packed(t, "a\xff"), `"a\ufffd"`},
		"msgpack with more": {binary("msgpack", []byte{0x01, 0x02}), `1`},
		"msgpack extension": {binary("msgpack", []byte{0xd4, 0x07, 0x00}), `"(unreadable msgpack: msgpack: unknown ext id=7)"`},
		"msgpack cut":       {binary("msgpack", []byte{0x92, 0x01}), `"(unreadable msgpack: EOF)"`},
		"msgpack empty":     {binary("msgpack", nil), `"(unreadable msgpack: EOF)"`},
		"other bytes":       {binary("pickle", []byte("abc")), `"(3 bytes of pickle)"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := decode(t, map[string]*core.Literal{"v": tc.literal})
			if tc.want != "" {
				require.JSONEq(t, `{"v":`+tc.want+`}`, string(raw))
				require.Contains(t, string(bytes.ReplaceAll(raw, []byte(`\u003c`), []byte("<"))), strings.Trim(tc.want[:min(len(tc.want), 5)], `"`))
			}
		})
	}
}

// What templates print is what the workflow's author passed.
func TestIntegersStayExact(t *testing.T) {
	t.Parallel()
	raw := decode(t, map[string]*core.Literal{"a": integer(1<<53 + 1), "b": packed(t, list{int64(1<<53 + 1)})})
	require.Equal(t, `{"a":9007199254740993,"b":[9007199254740993]}`, string(raw))
	in, err := render.Inputs(raw)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": int64(1<<53 + 1), "b": list{int64(1<<53 + 1)}}, in)
}

func TestDeepNestingEnds(t *testing.T) {
	t.Parallel()
	inList, inMap, inUnion, inStruct := text("x"), text("x"), text("x"), object{}
	for range 1000 {
		inList, inMap, inUnion = collection(inList), mapping(map[string]*core.Literal{"k": inMap}), union(inUnion)
		inStruct = object{"k": list{inStruct}}
	}
	for name, l := range map[string]*core.Literal{
		"list": inList, "map": inMap, "union": inUnion, "struct": generic(t, inStruct),
		"msgpack list": binary("msgpack", bytes.Repeat([]byte{0x91}, 60_000)),
		"msgpack map":  binary("msgpack", bytes.Repeat([]byte{0x81}, 60_000)),
		"msgpack keys": binary("msgpack", bytes.Repeat([]byte{0x81, 0x01}, 30_000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := decode(t, map[string]*core.Literal{"v": l, "other": integer(1)})
			require.Contains(t, string(raw), "nested too deep")
			require.Contains(t, string(raw), `"other":1`)
			require.Less(t, len(raw), 1000)
		})
	}
}

// A header of five bytes may claim four thousand million entries. The test has no others beside
// it, which would allocate meanwhile.
func TestClaimedLengthsAllocateNothing(t *testing.T) {
	var before, after runtime.MemStats
	for name, code := range map[string]byte{"array": 0xdd, "map": 0xdf, "string": 0xdb, "bytes": 0xc6, "extension": 0xc9} {
		raw := append([]byte{code, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0xff}, 10)...)
		runtime.ReadMemStats(&before)
		got := decode(t, map[string]*core.Literal{"v": binary("msgpack", raw), "list": binary("msgpack", append([]byte{0x91}, raw...))})
		runtime.ReadMemStats(&after)
		require.Equal(t, 2, strings.Count(string(got), "unreadable msgpack"), "%s: %s", name, got)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20), name)
	}
}

func TestLargeInputsAreLeftOut(t *testing.T) {
	t.Parallel()
	all := make([]*core.Literal, 20_000)
	for i := range all {
		all[i] = integer(int64(i))
	}
	raw := decode(t, map[string]*core.Literal{
		"text": text(strings.Repeat("x", 70_000)), "list": collection(all...), "bytes": binary("msgpack", make([]byte, 70_000)),
		"escapes": text(strings.Repeat("\x01", 20_000)), "fits": text(strings.Repeat("x", 60_000)), "small": integer(1),
	})
	var got map[string]any
	require.NoError(t, json.Unmarshal(raw, &got))
	for _, name := range []string{"text", "list", "bytes", "escapes"} {
		require.Regexp(t, `^\(left out: \d+ bytes\)$`, got[name], name)
	}
	require.Len(t, got["fits"], 60_000)
	require.EqualValues(t, 1, got["small"])
}

func TestManyInputsAreBoundedTogether(t *testing.T) {
	t.Parallel()
	literals := map[string]*core.Literal{}
	for _, name := range strings.Split("abcdefghij", "") {
		literals[name] = text(strings.Repeat("x", 60_000))
	}
	literals["k"] = integer(7)
	raw := decode(t, literals)
	require.Less(t, len(raw), 300_000)
	var got map[string]any
	require.NoError(t, json.Unmarshal(raw, &got))
	require.Len(t, got["a"], 60_000)
	require.Equal(t, "(left out: 60003 bytes)", got["j"])
	require.EqualValues(t, 7, got["k"], "a small one still fits")
}
