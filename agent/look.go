package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// over says whether a watch's deliveries matter to its task: as long as it is active, it runs.
func over(w store.Watch) bool { return w.State != store.Active }

// always is for those who want a watch's deliveries in any case.
func always(store.Watch) bool { return true }

// look reads a watch and, if its deliveries are wanted then, those. It returns when ctx ends even
// if the disk hangs, where no context reaches.
func (s *Service) look(ctx context.Context, id string, wanted func(store.Watch) bool) (store.Watch, []store.Delivery, error) {
	l := &looking{store: s.Store, ctx: ctx, id: id, wanted: wanted, done: make(chan struct{})}
	s.readers.read(l)
	select {
	case <-l.done:
		return l.watch, l.deliveries, l.err
	case <-ctx.Done():
		return store.Watch{}, nil, ctx.Err() // l may still be written to
	}
}

// looking is one look into the store.
type looking struct {
	store  store.Registry
	ctx    context.Context //nolint:containedctx // it is the call's, handed to another goroutine
	id     string
	wanted func(store.Watch) bool

	done       chan struct{} // closed when the rest is set
	watch      store.Watch
	deliveries []store.Delivery
	err        error
}

func (l *looking) run() {
	defer close(l.done)
	defer func() {
		if v := recover(); v != nil {
			l.err = fmt.Errorf("panic: %v", v)
		}
	}()
	if l.watch, l.err = l.store.Watch(l.ctx, l.id); l.err == nil && l.wanted(l.watch) {
		l.deliveries, l.err = l.store.WatchDeliveries(l.ctx, l.id)
	}
}

// readers are goroutines that look into the store for calls. One that has done so waits for the
// next look for a while: a new goroutine's stack grows through a dozen copies on SQLite's way down,
// which took a third of a GetTask. There are as many as looks at once, however long those take. The
// zero value keeps none.
type readers struct {
	next chan *looking
	quit chan struct{} // closed when no more looks are expected
}

// readerIdle is how long a reader waits for its next look.
const readerIdle = 10 * time.Second

func newReaders() readers {
	return readers{next: make(chan *looking), quit: make(chan struct{})}
}

// read hands a look to a reader that waits, or to a new one. It never blocks.
func (r readers) read(l *looking) {
	select {
	case r.next <- l:
	default:
		go r.work(l)
	}
}

func (r readers) work(l *looking) {
	idle := time.NewTimer(readerIdle)
	defer idle.Stop()
	for {
		if l.run(); r.next == nil {
			return
		}
		idle.Reset(readerIdle)
		select {
		case l = <-r.next:
		case <-idle.C:
			return
		case <-r.quit:
			return
		}
	}
}
