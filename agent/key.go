package agent

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// identity is who asks: the task, which attempt of it, and the execution it runs in.
type identity struct {
	key     string
	attempt uint32
	own     flyte.ExecutionID
}

// identify derives the task's idempotency key: the output prefix without its attempt segment,
// because a node id is local to its sub-workflow and can collide, while the prefix is path-nested.
// Without one it is the task execution id without the attempt; a task that has neither runs
// outside of Flyte and is new each time.
func identify(prefix string, m *admin.TaskExecutionMetadata) identity {
	id := m.GetTaskExecutionId()
	node := id.GetNodeExecutionId()
	who := identity{attempt: id.GetRetryAttempt(), own: executionID(node.GetExecutionId())}
	base, attempt, ok := splitAttempt(prefix)
	switch {
	case prefix != "":
		who.key = base
		if ok && id == nil {
			who.attempt = attempt
		}
	case who.own.Name != "":
		who.key = fmt.Sprintf("%s/%s/%s", who.own, node.GetNodeId(), id.GetTaskId().GetName())
	default:
		who.key = rand.Text()
	}
	return who
}

// splitAttempt takes the attempt off an output prefix: ".../n0/data/0" is attempt 0.
func splitAttempt(prefix string) (base string, attempt uint32, ok bool) {
	trimmed := strings.TrimRight(prefix, "/")
	base, last, found := cutLast(trimmed, "/")
	n, err := strconv.ParseUint(last, 10, 32)
	if !found || err != nil {
		return trimmed, 0, false
	}
	return base, uint32(n), true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

func executionID(id *core.WorkflowExecutionIdentifier) flyte.ExecutionID {
	return flyte.ExecutionID{
		Scope: flyte.Scope{Org: id.GetOrg(), Project: id.GetProject(), Domain: id.GetDomain()},
		Name:  id.GetName(),
	}
}
