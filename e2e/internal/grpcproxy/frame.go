package grpcproxy

import "fmt"

// frame is a message as it was on the wire, so that the proxy needs no schema and changes nothing.
type frame []byte

// rawCodec passes frames through. It calls itself "proto", because that is what they hold.
type rawCodec struct{}

// Name is the content subtype that peers expect.
func (rawCodec) Name() string { return "proto" }

// Marshal returns the frame's bytes.
func (rawCodec) Marshal(v any) ([]byte, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, fmt.Errorf("marshal a frame: got %T", v)
	}
	return *f, nil
}

// Unmarshal keeps a copy of the bytes.
func (rawCodec) Unmarshal(b []byte, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("unmarshal a frame: got %T", v)
	}
	*f = append(frame(nil), b...)
	return nil
}
