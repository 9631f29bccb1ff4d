package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	askedAbout = 2           // earlier messages at most, before one reminder
	askedFor   = time.Minute // a reminder that is put off is not asked about again
	mostSends  = 8           // entries of a rule's send that an escalation looks at
	manyAsked  = 10_000      // so many are kept before old ones are forgotten
)

// asked remembers which reminders the service was asked about, and which connections cannot be asked.
type asked struct {
	mu     sync.Mutex
	at     map[string]time.Time // by delivery
	untold map[string]bool      // connections that were logged
	swept  time.Time
}

// again says whether it is time to ask about a reminder (again).
func (a *asked) again(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.at[id]) >= askedFor
}

// note notes that it was asked about.
func (a *asked) note(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.at == nil {
		a.at = map[string]time.Time{}
	}
	if len(a.at) >= manyAsked && now.Sub(a.swept) > sweepEvery {
		a.swept = now
		for id, at := range a.at {
			if now.Sub(at) >= askedFor {
				delete(a.at, id)
			}
		}
	}
	a.at[id] = now
}

// first says whether a connection is the first time one that cannot be asked.
func (a *asked) first(connection string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.untold[connection] {
		return false
	}
	if a.untold == nil {
		a.untold = map[string]bool{}
	}
	a.untold[connection] = true
	return true
}

// before are the ids of the messages of the same occurrence that came before the one with this key, those that people
// see first: of a reminder the latest and the first of the same entry; of an escalation the first of each entry.
// Others have none. The key ends with the count and the entry, see store.Delivery.
func before(key string) []string {
	what, entry, _ := cutLast(key)
	what, number, ok := cutLast(what)
	count, err := strconv.Atoi(number)
	if !ok || err != nil {
		return nil
	}
	id := func(count int, entry string) string {
		return store.DeliveryID(fmt.Sprintf("%s|%d|%s", what, count, entry))
	}
	var all []string
	switch {
	case strings.HasPrefix(entry, "escalate["):
		for i := range mostSends {
			all = append(all, id(0, fmt.Sprintf("send[%d]", i)))
		}
	case count > 1:
		all = []string{id(count-1, entry), id(0, entry)}
	case count == 1:
		all = []string{id(0, entry)}
	}
	return all
}

// cutLast cuts at the last separator of a key.
func cutLast(key string) (head, tail string, ok bool) {
	i := strings.LastIndexByte(key, '|')
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}

// asks says whether people may have seen to what the delivery reminds of, so that the service is asked before.
func (o *Outbox) asks(p prepared, d store.Delivery) bool {
	if o.Acknowledged == nil || len(before(d.Key)) == 0 || ofSeveral(d) {
		return false
	}
	_, own := p.connection.Notifier.(notifier.Acknowledger)
	return (own || strings.Contains(d.Key, "|escalate[")) && o.asked.again(d.ID)
}

// seenTo settles a reminder of what somebody has acknowledged. Whatever hinders the question, the reminder is sent:
// one too many is better than one too few.
func (l *line) seenTo(u until, d store.Delivery, p prepared) (again time.Duration, settled bool) {
	o := l.outbox
	if !o.asks(p, d) {
		return 0, false
	}
	by, err := o.acknowledgedBy(u, d, p.terms)
	o.asked.note(d.ID)
	if err != nil {
		o.Log.WarnContext(u.call, "reminder is sent without knowing whether anybody has acknowledged", "delivery", d.ID, "error", err)
	}
	if by == "" {
		return 0, false
	}
	again = o.settle(u.record, d, o.superseded(d, "acknowledged by "+by))
	if err := o.Acknowledged(u.record, d, by); err != nil { // the next reminder asks again
		o.Log.WarnContext(u.record, "acknowledgement cannot be recorded", "execution", d.Execution.String(), "error", err)
	}
	return again, true
}

// acknowledgedBy asks the services of the earlier messages, a few of them.
func (o *Outbox) acknowledgedBy(u until, d store.Delivery, t *terms) (by string, err error) {
	ids := before(d.Key)
	found, err := o.Store.DeliveriesOf(u.call, ids)
	if err != nil {
		return "", fmt.Errorf("read earlier messages: %w", err)
	}
	slices.SortFunc(found, func(a, b store.Delivery) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	ctx, cancel := u.early(o.policy().Timeout)
	defer cancel()
	seen := map[string]bool{} // an edited message is that of several deliveries
	for _, earlier := range found {
		service, ok := acknowledger(earlier, t)
		message := receiptText(earlier.Receipt)
		if !ok || seen[message] || len(seen) == askedAbout {
			continue
		}
		seen[message] = true
		by, err := service.Acknowledged(ctx, earlier.Receipt)
		switch {
		case errors.Is(err, notifier.ErrLookImpossible):
			if o.asked.first(earlier.Connection) {
				o.Log.WarnContext(ctx, "nobody can acknowledge by a reaction", "connection", earlier.Connection, "error", err)
			}
		case by != "" || err != nil:
			return by, err
		}
	}
	return "", nil
}

// acknowledger finds who can be asked about a message.
func acknowledger(d store.Delivery, t *terms) (notifier.Acknowledger, bool) {
	c, err := t.connections.Find(d.Kind, d.Connection)
	if err != nil || d.State != store.Delivered {
		return nil, false // the connection was removed, perhaps
	}
	a, ok := c.Notifier.(notifier.Acknowledger)
	return a, ok
}
