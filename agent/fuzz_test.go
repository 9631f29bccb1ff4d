package agent_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// broken is a store that knows nothing.
type broken struct{ store.Registry }

// FuzzMeta: whatever comes as resource_meta, GetTask and DeleteTask give an answer that can be sent.
func FuzzMeta(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"v":1,"watch":"w1","wait":true,"kind":"send","require":"delivered","outputs":["phase","deliveries"]}`,
		`{"v":1,"rejected":"bad notification task:\nrules: required"}`, `{"v":1,"watch":"\ud800"}`, "\xff", "[[[[",
	} {
		f.Add([]byte(seed))
	}
	svc := agent.New(agent.Options{Store: &broken{}, Log: discard()}) // every read of it panics
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := svc.GetTask(t.Context(), &admin.GetTaskRequest{ResourceMeta: raw})
		require.NoError(t, err)
		_, err = proto.Marshal(got)
		require.NoError(t, err, "text that is no UTF-8 cannot be sent")
		switch phase := got.GetResource().GetPhase(); phase {
		case core.TaskExecution_FAILED:
			require.NotEmpty(t, got.GetResource().GetMessage())
		case core.TaskExecution_SUCCEEDED, core.TaskExecution_RUNNING:
			require.True(t, json.Valid(raw))
			require.LessOrEqual(t, len(raw), 2<<10)
		default:
			t.Fatalf("phase %s", phase)
		}
		if got.GetResource().GetPhase() != core.TaskExecution_RUNNING { // which would ask the store
			_, err = svc.DeleteTask(t.Context(), &admin.DeleteTaskRequest{ResourceMeta: raw})
			require.NoError(t, err)
		}
	})
}

// maxStored is how large the inputs of one task can become, the notes on what was left out included.
const maxStored = 300 << 10

// FuzzLiteral: whatever comes as an input, in protobuf or msgpack, is stored as bounded JSON that
// rules and templates can read.
func FuzzLiteral(f *testing.F) {
	seed := func(l *core.Literal) {
		raw, err := proto.Marshal(l)
		require.NoError(f, err)
		f.Add(raw, false)
	}
	seed(integer(1<<53 + 1))
	seed(collection(text("a"), union(float(0.5)), mapping(map[string]*core.Literal{"k": generic(f, object{"n": 1})})))
	seed(packed(f, object{"rows": list{int64(1), "x", []byte("b"), nil, true, 1.5}}))
	f.Add([]byte{0x81, 0x92, 1, 2, 0xa1, 'x'}, true)
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff, 1}, true)
	f.Add([]byte{0xd6, 0xff, 1, 2, 3, 4}, true)
	f.Add(bytes.Repeat([]byte{0x91}, 100), true)
	f.Fuzz(func(t *testing.T, raw []byte, isMsgpack bool) {
		l := binary("msgpack", raw)
		if !isMsgpack {
			l = &core.Literal{}
			if proto.Unmarshal(raw, l) != nil {
				t.Skip("gRPC refuses it")
			}
		}
		stored := decode(t, map[string]*core.Literal{"v": l, "same": l})
		require.LessOrEqual(t, len(stored), maxStored)
		read, err := render.Inputs(stored)
		require.NoError(t, err)
		require.Contains(t, read, "v")
	})
}

// FuzzCustom: whatever comes as custom, CreateTask answers with a meta that fits, and GetTask with
// a resource that can be sent.
func FuzzCustom(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"rules":[{"when":{"phase":["FAILED"]},"send":[{"stdout":{}}]}]}`, `{"wait":true,"watch":{"execution":{"name":"x"}}}`,
		`{"send":[{"slack":{"channel":"#x"}}],"require":"delivered"}`, `{"rules":[{"if":"elapsed > duration(\"1m\")"}],"<\">":1e308}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	svc := agent.New(agent.Options{
		Store: &recorder{}, Registry: builtin.Registry(&bytes.Buffer{}), Connections: connections(), Log: discard(),
		Registered: func(store.Watch) {},
	})
	f.Fuzz(func(t *testing.T, raw []byte, send bool) {
		custom := &structpb.Struct{}
		if protojson.Unmarshal(raw, custom) != nil {
			t.Skip("no Struct")
		}
		r := request(t, nil, func(r *admin.CreateTaskRequest) { r.Template.Custom = custom })
		if send {
			r.Template.Type = agent.TypeSend
		}
		created, err := svc.CreateTask(t.Context(), r)
		require.NoError(t, err)
		require.LessOrEqual(t, len(created.GetResourceMeta()), 2<<10)
		got, err := svc.GetTask(t.Context(), &admin.GetTaskRequest{ResourceMeta: created.GetResourceMeta()})
		require.NoError(t, err)
		_, err = proto.Marshal(got)
		require.NoError(t, err)
		require.False(t, strings.HasPrefix(got.GetResource().GetMessage(), "resource_meta:"), got.GetResource().GetMessage())
	})
}
