package grpcproxy

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// Call is one call that went through, from the first byte of the client to the last of the server.
type Call struct {
	Method    string // without its service: "CreateTask"
	Code      codes.Code
	Err       error
	Start     time.Time
	Took      time.Duration
	Requests  [][]byte // encoded messages
	Answers   [][]byte
	Abandoned bool // the client left, or the proxy was stopped: no fault of the server
}

// Request decodes the i-th message of the client.
func (c Call) Request(i int, m proto.Message) error { return decode(c.Requests, i, m) }

// Answer decodes the server's first message.
func (c Call) Answer(m proto.Message) error { return decode(c.Answers, 0, m) }

func decode(all [][]byte, i int, m proto.Message) error {
	if i >= len(all) {
		return fmt.Errorf("decode message %d: there are %d", i, len(all))
	}
	if err := proto.Unmarshal(all[i], m); err != nil {
		return fmt.Errorf("decode message %d: %w", i, err)
	}
	return nil
}

func (p *Proxy) record(c Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, c)
}

// Calls returns the calls of a method so far, in the order of their ends; all for "".
func (p *Proxy) Calls(method string) []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.calls), func(c Call) bool { return method != "" && c.Method != method })
}

// Faults returns the calls of a method that the server answered with an error, or too late.
func (p *Proxy) Faults(method string) []Call {
	return slices.DeleteFunc(p.Calls(method), func(c Call) bool { return c.Code == codes.OK || c.Abandoned })
}

// Summary is one line a method: how many calls by code, and the slowest.
func (p *Proxy) Summary() string {
	type line struct {
		codes map[codes.Code]int
		worst time.Duration
	}
	lines := map[string]*line{}
	var order []string
	for _, c := range p.Calls("") {
		l, ok := lines[c.Method]
		if !ok {
			l = &line{codes: map[codes.Code]int{}}
			lines[c.Method], order = l, append(order, c.Method)
		}
		l.codes[c.Code]++
		l.worst = max(l.worst, c.Took)
	}
	slices.Sort(order)
	var s string
	for _, m := range order {
		s += fmt.Sprintf("%s %v, slowest %s\n", m, lines[m].codes, lines[m].worst.Round(time.Microsecond))
	}
	return s
}
