package grpcproxy

import (
	"context"
	"errors"
	"io"
	"path"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// quickReconnect makes a restarted server reachable at once.
func quickReconnect() grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.2, MaxDelay: 50 * time.Millisecond},
		MinConnectTimeout: time.Second,
	}
}

// forward passes one call of any kind through and records it. The client sees the answer when it
// is complete, so that a hook can act before.
func (p *Proxy) forward(_ any, down grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(down)
	call := Call{Method: path.Base(full), Start: time.Now()}
	requests := &requests{}
	answers, err := p.pass(full, down, requests)
	call.Took = time.Since(call.Start)
	call.Code, call.Err = status.Code(err), err
	call.Requests, call.Answers = requests.all(), answers
	call.Abandoned = abandoned(down.Context())
	p.record(call)
	if err != nil {
		return err
	}
	p.hook(call)
	return reply(down, answers)
}

// abandoned says whether the client, or a stop of the proxy, ended the call before its deadline.
func abandoned(ctx context.Context) bool {
	if !errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > 50*time.Millisecond // a client at its deadline cancels, too
}

// pass sends the client's messages to the server and returns the server's.
func (p *Proxy) pass(full string, down grpc.ServerStream, requests *requests) ([][]byte, error) {
	ctx := down.Context()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	up, err := p.upstream.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, full)
	if err != nil {
		return nil, err
	}
	go requests.send(down, up)
	var answers [][]byte
	for {
		f := &frame{}
		err := up.RecvMsg(f)
		switch {
		case errors.Is(err, io.EOF):
			down.SetTrailer(up.Trailer())
			return answers, nil
		case err != nil:
			return answers, err
		}
		answers = append(answers, *f)
	}
}

func reply(down grpc.ServerStream, answers [][]byte) error {
	for _, a := range answers {
		f := frame(a)
		if err := down.SendMsg(&f); err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
	}
	return nil
}

func (p *Proxy) hook(c Call) {
	p.mu.Lock()
	hook := p.hooks[c.Method]
	delete(p.hooks, c.Method)
	p.mu.Unlock()
	if hook != nil {
		hook(c)
	}
}

// requests collects what a client sends.
type requests struct {
	mu     sync.Mutex
	frames [][]byte
}

func (r *requests) all() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frames
}

func (r *requests) add(f frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, f)
}

// send passes the client's messages on until it has no more. A stream that breaks shows where its
// answers are read.
func (r *requests) send(down grpc.ServerStream, up grpc.ClientStream) {
	for {
		f := &frame{}
		if down.RecvMsg(f) != nil {
			_ = up.CloseSend()
			return
		}
		r.add(*f)
		if up.SendMsg(f) != nil {
			return
		}
	}
}
