package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// msgpackTag marks flytekit's dataclasses and dicts.
const msgpackTag = "msgpack"

var errTooDeep = errors.New(tooDeep)

func decodeBinary(b *core.Binary, depth int) any {
	if b.GetTag() != msgpackTag {
		return fmt.Sprintf("(%d bytes of %s)", len(b.GetValue()), b.GetTag())
	}
	r := bytes.NewReader(b.GetValue())
	u := &unpacker{Decoder: msgpack.NewDecoder(r), rest: r}
	v, err := u.value(depth)
	if err != nil {
		return fmt.Sprintf("(unreadable msgpack: %v)", err)
	}
	return v
}

// unpacker reads msgpack as what JSON can say. It walks by itself, because the library's own walk
// allocates whatever length a header claims, recurses without end, and panics on a map's key that
// Go cannot hash.
type unpacker struct {
	*msgpack.Decoder
	rest *bytes.Reader // what the decoder reads from
}

func (u *unpacker) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	code, err := u.PeekCode()
	switch {
	case err != nil:
		return nil, err
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		return u.mapping(depth)
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		return u.list(depth)
	case msgpcode.IsBin(code):
		return u.bytes()
	}
	v, err := u.DecodeInterfaceLoose()
	switch v := v.(type) {
	case float64:
		return finite(v), err
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), err
	}
	return v, err
}

func (u *unpacker) mapping(depth int) (any, error) {
	n, err := u.DecodeMapLen()
	m := map[string]any{}
	for i := 0; i < n && err == nil; i++ {
		var key, value any
		if key, err = u.value(depth + 1); err != nil {
			break
		}
		value, err = u.value(depth + 1)
		m[fmt.Sprint(key)] = value
	}
	return m, err
}

func (u *unpacker) list(depth int) (any, error) {
	n, err := u.DecodeArrayLen()
	list := []any{}
	for i := 0; i < n && err == nil; i++ {
		var value any
		value, err = u.value(depth + 1)
		list = append(list, value)
	}
	return list, err
}

// bytes tells of bytes; what they are, nobody knows.
func (u *unpacker) bytes() (any, error) {
	n, err := u.DecodeBytesLen()
	if err == nil && n > u.rest.Len() {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		_, err = u.rest.Seek(int64(n), io.SeekCurrent)
	}
	return fmt.Sprintf("(%d bytes)", n), err
}
