package notifier

import (
	"errors"
	"net/http"
	"slices"
	"time"
)

// Listener is a BaseNotifier whose service tells later what became of messages, by calling a URL of ours.
type Listener interface {
	// Heard checks that a call that came now is the service's own, and returns what it tells, in order. The body is
	// as it came, byte for byte. Its errors wrap ErrNoHook, ErrForged or ErrStale; or are of the verdict Retry,
	// when the key cannot be read now. Any other means that the service speaks in a way that we do not know. They
	// hold nothing of a body that is not the service's.
	Heard(header http.Header, body []byte, now time.Time) ([]News, error)
}

// HookUser is a connection's config that has a key of its own for the calls of a Listener's service.
type HookUser interface {
	// HookKey names that key if it is set, else "".
	HookKey() string
}

// The errors of Listener.Heard that say why a call is not let in.
var (
	ErrNoHook = errors.New("the connection takes no calls")   // it has no key to check them with
	ErrForged = errors.New("the signature is not right")      // or there is none
	ErrStale  = errors.New("the time of the call is too old") // or too far ahead
)

// News is what a service tells of one message and one of its recipients.
type News struct {
	ID   string    // the same, however often it is told
	Key  string    // the Message's
	Fate Fate      //
	At   time.Time // when it happened, by the service; zero if it does not say
	Text string    // one printable line: whom it is about, cut, and why
}

// Fate is what became of a message that the service had taken.
type Fate string

// The fates, by weight: of a message with several recipients the heaviest is shown.
const (
	Processed    Fate = "processed"    // it is on its way
	Deferred     Fate = "deferred"     // the recipient's server put it off; the service tries again
	Arrived      Fate = "delivered"    // the recipient's server took it
	Opened       Fate = "opened"       //
	Clicked      Fate = "clicked"      //
	Unsubscribed Fate = "unsubscribed" //
	Complained   Fate = "spam_report"  // the recipient called it spam
	Dropped      Fate = "dropped"      // the service did not even try: the address bounced before, say
	Bounced      Fate = "bounced"      // the recipient's server refused it
)

// Fates are all of them, the lightest first.
func Fates() []Fate {
	return []Fate{Processed, Deferred, Arrived, Opened, Clicked, Unsubscribed, Complained, Dropped, Bounced}
}

// Weighs returns 0 for what is no fate.
func (f Fate) Weighs() int { return slices.Index(Fates(), f) + 1 }

// Failed says whether the message did not arrive, and will not.
func (f Fate) Failed() bool { return f == Dropped || f == Bounced }
