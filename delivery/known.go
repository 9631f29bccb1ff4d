package delivery

import (
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// An exact name is used for so long without a look into the store, and the service is asked for it anew so often. A channel
// that is gone since is noticed by the first send, whoever forgets it in the store.
const (
	knownFor   = time.Minute
	askedEvery = time.Hour
)

// known is the exact name of a lane's destination.
type known struct {
	mu    sync.Mutex
	found notifier.Resolved
	until time.Time
}

func (k *known) get() (found notifier.Resolved, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.found, time.Now().Before(k.until)
}

// set keeps a name that was found, unless it is kept already.
func (k *known) set(found notifier.Resolved) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); found.ID != "" && !now.Before(k.until) {
		k.found, k.until = found, now.Add(knownFor)
	}
}

func (k *known) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.until = time.Time{}
}
