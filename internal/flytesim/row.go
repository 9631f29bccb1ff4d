package flytesim

import (
	"container/list"
	"slices"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// scope is the executions of one project and domain. heap is the order in which an unsorted
// query meets the rows: an update writes a new tuple, so that the row moves to the end, which is
// why paging by offset skips rows.
type scope struct {
	byName map[string]*row
	heap   *list.List
}

// row is an execution: what never changes, and its versions, oldest first. Only the newest
// version that is already visible is read; writers build upon the very last.
type row struct {
	Execution
	mode     admin.ExecutionMetadata_ExecutionMode
	declared []*admin.Notification
	versions []version
	place    *list.Element
	nodes    map[string]*node
}

// version is what one write left. updatedAt is the server's clock just before the write, visible
// the moment the write was committed.
type version struct {
	visible   time.Time
	updatedAt time.Time

	phase      core.WorkflowExecution_Phase
	archived   bool
	reportedAt time.Time // closure.updated_at: the sender's clock
	startedAt  time.Time
	duration   time.Duration
	ended      bool // duration is known
	failure    *core.ExecutionError
	outputURI  string
	abort      *admin.AbortMetadata // in the closure
	abortCause string               // the column, which outlives the closure's
}

// at returns the version that a query at this moment sees; nil if not even the first is visible.
func (r *row) at(now time.Time) *version {
	for i := len(r.versions) - 1; i >= 0; i-- {
		if v := &r.versions[i]; !v.visible.After(now) {
			return v
		}
	}
	return nil
}

// last returns a copy of the newest version, visible or not.
func (r *row) last() version { return r.versions[len(r.versions)-1] }

// scope returns the executions of sc, making it on the first use.
func (s *Server) scope(sc flyte.Scope) *scope {
	if s.scopes[sc] == nil {
		s.scopes[sc] = &scope{byName: map[string]*row{}, heap: list.New()}
	}
	return s.scopes[sc]
}

// find returns the row of an execution, or nil. The caller holds the lock.
func (s *Server) find(id flyte.ExecutionID) *row {
	if sc := s.scopes[id.Scope]; sc != nil {
		return sc.byName[id.Name]
	}
	return nil
}

// write stores v as the row's newest version, stamped now and visible after late. A write waits
// for the one before it, as for a row lock. The caller holds the lock.
func (s *Server) write(r *row, v version, late time.Duration) {
	now := s.now()
	v.updatedAt = now
	v.visible = now.Add(max(late, s.late))
	if n := len(r.versions); n > 0 && r.versions[n-1].visible.After(v.visible) {
		v.visible = r.versions[n-1].visible
	}
	r.versions = append(r.versions, v)
	for len(r.versions) > 1 && !r.versions[1].visible.After(now) {
		r.versions = slices.Delete(r.versions, 0, 1)
	}
	s.scopes[r.ID.Scope].heap.MoveToBack(r.place)
}
