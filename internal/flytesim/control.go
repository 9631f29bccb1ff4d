package flytesim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// Execution is what of an execution is fixed at its creation.
type Execution struct {
	ID              flyte.ExecutionID
	Workflow        string
	WorkflowVersion string
	LaunchPlan      string // default: the workflow's name
	User            string
	Labels          map[string]string // any size: large ones make answers beyond 4 MiB
	Tags            []string
	Scheduled       bool                 // started by a schedule instead of a person
	Mode            string               // flyteidl's ExecutionMetadata.ExecutionMode by name; default: MANUAL, SCHEDULED or CHILD_WORKFLOW, as the rest says
	Parent          flyte.ExecutionID    // the execution whose node launched this one
	ParentNode      string               // that node; default: n0
	Notifications   []flyte.Notification // of the launch plan
	CreatedAt       time.Time            // default: now
	// Late is how long after Create it becomes visible: flyteadmin takes the time of creation before it
	// creates the workflow in Kubernetes, and writes the row behind that.
	Late time.Duration
}

// Create adds an execution in phase UNDEFINED, as flyteadmin has it until propeller's first
// event. An execution of the same id is replaced.
func (s *Server) Create(e Execution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.LaunchPlan == "" {
		e.LaunchPlan = e.Workflow
	}
	if e.CreatedAt.IsZero() {
		e.CreatedAt = s.now()
	}
	e.Labels = maps.Clone(e.Labels)
	delete(s.signals, e.ID)
	sc := s.scope(e.ID.Scope)
	if old := sc.byName[e.ID.Name]; old != nil {
		sc.heap.Remove(old.place)
	}
	r := &row{Execution: e, mode: e.mode(), declared: notifications(e.Notifications)}
	r.place = sc.heap.PushBack(r)
	sc.byName[e.ID.Name] = r
	s.write(r, version{reportedAt: e.CreatedAt}, e.Late)
	s.project(e.ID.Project)
	if !slices.Contains(s.domains, e.ID.Domain) {
		s.domains = append(s.domains, e.ID.Domain)
	}
}

// mode panics on an unknown one: that is an error of the test.
func (e Execution) mode() admin.ExecutionMetadata_ExecutionMode {
	mode, ok := admin.ExecutionMetadata_ExecutionMode_value[e.Mode]
	switch {
	case e.Mode != "" && !ok:
		panic(fmt.Sprintf("flytesim: no such mode %q", e.Mode))
	case e.Mode == "" && e.Scheduled:
		return admin.ExecutionMetadata_SCHEDULED
	case e.Mode == "" && e.Parent.Name != "":
		return admin.ExecutionMetadata_CHILD_WORKFLOW
	}
	return admin.ExecutionMetadata_ExecutionMode(mode)
}

// Change is a detail of a SetPhase or SetNode.
type Change func(*change)

type change struct {
	at      time.Time
	late    time.Duration
	failure *core.ExecutionError
}

// Error gives the reason: kind is "USER" or "SYSTEM".
func Error(kind, code, message string) Change {
	return func(c *change) {
		c.failure = &core.ExecutionError{
			Kind: core.ExecutionError_ErrorKind(core.ExecutionError_ErrorKind_value[kind]),
			Code: code, Message: message,
		}
	}
}

// At says when it happened by the sender's clock, which is what closures show. Default: now.
func At(t time.Time) Change { return func(c *change) { c.at = t } }

// Late makes the change visible only after d, though updated_at is stamped now: a transaction
// that waits for a lock.
func Late(d time.Duration) Change { return func(c *change) { c.late = d } }

// SetLate delays the visibility of every change from now on.
func (s *Server) SetLate(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = d
}

// SetPhase moves an execution to any phase ("RUNNING"), forwards or backwards. It panics on an
// unknown execution or phase: that is an error of the test.
func (s *Server) SetPhase(id flyte.ExecutionID, phase string, changes ...Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.change(changes)
	r := s.must(id)
	p, ok := core.WorkflowExecution_Phase_value[phase]
	if !ok {
		panic(fmt.Sprintf("flytesim: no such phase %q", phase))
	}
	v := r.last()
	v.move(core.WorkflowExecution_Phase(p), c.at)
	if c.failure != nil {
		v.failure, v.outputURI, v.abort = c.failure, "", nil
	}
	s.write(r, v, c.late)
}

// Abort does what TerminateExecution does, on behalf of the principal: the execution is ABORTING
// until SetPhase or propeller's event makes it ABORTED.
func (s *Server) Abort(id flyte.ExecutionID, principal, cause string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abort(s.must(id), principal, cause)
}

// abort changes the phase and neither of the closure's times. The caller holds the lock.
func (s *Server) abort(r *row, principal, cause string) {
	v := r.last()
	v.phase = core.WorkflowExecution_ABORTING
	v.failure, v.outputURI, v.abortCause = nil, "", cause
	v.abort = &admin.AbortMetadata{Cause: cause, Principal: principal}
	s.write(r, v, 0)
}

// Archive hides an execution from lists that do not ask for archived ones, or shows it again.
func (s *Server) Archive(id flyte.ExecutionID, archived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.must(id)
	v := r.last()
	v.archived = archived
	s.write(r, v, 0)
}

func (s *Server) change(changes []Change) change {
	c := change{at: s.now()}
	for _, f := range changes {
		f(&c)
	}
	return c
}

func (s *Server) must(id flyte.ExecutionID) *row {
	r := s.find(id)
	if r == nil {
		panic(fmt.Sprintf("flytesim: no execution %s", id))
	}
	return r
}

// move is what an event of this phase does to an execution's columns and closure.
func (v *version) move(phase core.WorkflowExecution_Phase, at time.Time) {
	v.phase, v.reportedAt = phase, at
	switch {
	case phase == core.WorkflowExecution_RUNNING:
		v.startedAt = at
	case terminal(phase) && !v.startedAt.IsZero():
		v.duration, v.ended = at.Sub(v.startedAt), true
	}
}

func terminal(p core.WorkflowExecution_Phase) bool { return flyte.Terminal(p.String()) }
