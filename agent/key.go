package agent

import (
	"crypto/rand"
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
	key, attempt := splitAttempt(prefix)
	who := identity{key: key, attempt: attempt, own: executionID(node.GetExecutionId())}
	if id != nil {
		who.attempt = id.GetRetryAttempt()
	}
	switch {
	case key != "":
	case who.own.Name != "":
		who.key = strings.Join([]string{who.own.Org, who.own.String(), node.GetNodeId(), id.GetTaskId().GetName()}, "/")
	default:
		who.key = rand.Text()
	}
	return who
}

// splitAttempt takes the attempt off an output prefix: ".../n0/data/0" is attempt 0.
func splitAttempt(prefix string) (base string, attempt uint32) {
	base = strings.TrimRight(prefix, "/")
	slash := strings.LastIndexByte(base, '/')
	n, err := strconv.ParseUint(base[slash+1:], 10, 32)
	if slash <= 0 || err != nil {
		return base, 0
	}
	return base[:slash], uint32(n)
}

func executionID(id *core.WorkflowExecutionIdentifier) flyte.ExecutionID {
	return flyte.ExecutionID{
		Scope: flyte.Scope{Org: id.GetOrg(), Project: id.GetProject(), Domain: id.GetDomain()},
		Name:  id.GetName(),
	}
}
