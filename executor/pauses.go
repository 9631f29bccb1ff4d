package executor

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// maxPause is the longest pause between looks at a scope that fails.
const maxPause = 10 * time.Second

// pauses back off from scopes for which flyteadmin fails: from first looks, however often new watches wake the executor,
// from what is due, and from discovery.
type pauses struct {
	mu sync.Mutex
	of map[flyte.Scope]pause
}

type pause struct {
	length time.Duration
	until  time.Time
}

// over says whether the scope may be looked at.
func (p *pauses) over(s flyte.Scope) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !time.Now().Before(p.of[s].until)
}

// note begins or doubles the scope's pause after an error, and ends it after a success.
func (p *pauses) note(s flyte.Scope, first time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.of, s)
		return
	}
	if p.of == nil {
		p.of = map[flyte.Scope]pause{}
	}
	length := min(max(first, 2*p.of[s].length), maxPause)
	p.of[s] = pause{length: length, until: time.Now().Add(length/2 + rand.N(length/2+1))}
}
