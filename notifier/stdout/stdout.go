// Package stdout prints messages as plain text. It needs no credentials, so that a first run
// shows what would be sent.
package stdout

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Kind is the key in specs.
const Kind = "stdout"

// Manifest describes the notifier to the registry. Messages go to w, or to os.Stdout when it is
// nil; all notifiers made from one manifest take turns.
func Manifest(w io.Writer) notifier.Manifest {
	if w == nil {
		w = os.Stdout
	}
	n := &Notifier{w: w, turn: make(chan struct{}, 1)}
	return notifier.Manifest{
		Kind:        Kind,
		Title:       "Standard output",
		Destination: func() notifier.Destination { return &Destination{} },
		New:         func(any, notifier.Deps) (notifier.BaseNotifier, error) { return n, nil },
		Guarantee:   "At least once: a message may be printed again after a crash.",
	}
}

// Destination is the one there is; it has no keys.
type Destination struct{}

// Address is "stdout".
func (Destination) Address() string { return Kind }

// Notifier prints. It is safe for concurrent use.
type Notifier struct {
	w    io.Writer
	turn chan struct{} // holds one token while somebody writes; waiting for it ends with a context
}

// Send prints m with one Write. The receipt holds the number of bytes. A writer that blocks does
// not hold Send longer than ctx.
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	switch d.(type) {
	case Destination, *Destination:
	default:
		return nil, notifier.Permanent.Errorf("stdout: destination is a %T", d)
	}
	text := []byte(Text(m))
	select {
	case n.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, notifier.Retry.Errorf("stdout: wait for others' writes: %w", ctx.Err())
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-n.turn }()
		done <- n.write(text)
	}()
	select {
	case err := <-done:
		if err != nil {
			return nil, err
		}
		return notifier.Receipt{"bytes": strconv.Itoa(len(text))}, nil
	case <-ctx.Done():
		return nil, notifier.Unknown.Errorf("stdout: write: %w", ctx.Err())
	}
}

func (n *Notifier) write(text []byte) error {
	k, err := n.w.Write(text)
	if err == nil && k < len(text) {
		err = io.ErrShortWrite
	}
	switch {
	case err == nil:
		return nil
	case k == 0:
		return notifier.Retry.Errorf("stdout: write: %w", err)
	}
	return notifier.Unknown.Errorf("stdout: write: %w", fmt.Errorf("after %d of %d bytes: %w", k, len(text), err))
}
