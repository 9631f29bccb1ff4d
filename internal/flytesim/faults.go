package flytesim

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// All is the method name that means every method in SetFault.
const All = "*"

// Fault is what goes wrong with calls of a method. The zero Fault is none.
type Fault struct {
	Latency time.Duration // wait before anything else
	Hang    bool          // never answer: wait for the caller to give up
	Code    codes.Code    // answer this code instead; codes.Internal is flyteadmin's database being down
	Message string        // text of the error that Code makes
	Drop    bool          // do the work, lose the answer: the caller sees Unavailable
	Times   int           // how many calls it hits; 0: all until it is cleared
}

type faults struct {
	mu       sync.Mutex
	byMethod map[string]Fault
	calls    map[string]int
}

// SetFault makes calls of the method ("ListExecutions", or All) go wrong from now on. A fault of
// the method itself goes before one of All. The zero Fault clears.
func (s *Server) SetFault(method string, f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if s.faults.byMethod == nil {
		s.faults.byMethod = map[string]Fault{}
	}
	if f == (Fault{}) {
		delete(s.faults.byMethod, method)
		return
	}
	s.faults.byMethod[method] = f
}

// ClearFaults makes everything well again. Calls that already hang go on hanging.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	clear(s.faults.byMethod)
}

// Calls returns how many calls of each method have arrived, faulty ones included.
func (s *Server) Calls() map[string]int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return maps.Clone(s.faults.calls)
}

// wrap returns the description of a service whose methods are counted, meet their faults, and
// demand a token.
func (s *Server) wrap(desc grpc.ServiceDesc, auth *Auth) grpc.ServiceDesc {
	desc.Methods = slices.Clone(desc.Methods)
	for i, m := range desc.Methods {
		desc.Methods[i].Handler = func(srv any, ctx context.Context, dec func(any) error, ic grpc.UnaryServerInterceptor) (any, error) {
			fault := s.faults.take(m.MethodName)
			if err := fault.before(ctx); err != nil {
				return nil, err
			}
			if err := auth.check(ctx); err != nil {
				return nil, err
			}
			answer, err := m.Handler(srv, ctx, dec, ic)
			if fault.Drop {
				return nil, status.Error(codes.Unavailable, "connection reset: the answer was lost")
			}
			return answer, err
		}
	}
	return desc
}

// take counts a call and returns the fault it meets.
func (f *faults) take(method string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[method]++
	key := method
	if _, ok := f.byMethod[key]; !ok {
		key = All
	}
	fault := f.byMethod[key]
	if fault.Times == 1 {
		delete(f.byMethod, key)
	} else if fault.Times > 1 {
		left := fault
		left.Times--
		f.byMethod[key] = left
	}
	return fault
}

// before does what of the fault happens before the work.
func (f Fault) before(ctx context.Context) error {
	if f.Latency > 0 {
		t := time.NewTimer(f.Latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	if f.Hang {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	if f.Code != codes.OK {
		return status.Error(f.Code, f.Message)
	}
	return nil
}
