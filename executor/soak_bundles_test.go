package executor_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// soakTally is what the oracle has seen of what is held back.
type soakTally struct{ held, digests, within, alone, silenced, taken, acked int }

func (t soakTally) String() string {
	return fmt.Sprintf("%d were held, %d digests told of %d, %d alone, %d left to a silence; %d reminders taken back; %d occurrences acknowledged",
		t.held, t.digests, t.within, t.alone, t.silenced, t.taken, t.acked)
}

// out is when and how a delivery was settled or released.
type out struct {
	at    time.Time // forever: it was not
	in    string    // the delivery that tells of it, if another does
	taken bool      // it is not told at all
}

func outOf(d store.Delivery) out {
	switch {
	case d.State == store.Pending && !d.HeldUntil.IsZero():
		return out{at: d.Since}
	case d.State != store.Superseded:
		return out{at: forever}
	}
	in, told := strings.CutPrefix(d.LastError, "told in ")
	if !told {
		return out{at: d.SettledAt, taken: true}
	}
	in, _, _ = strings.Cut(in, ",")
	return out{at: d.SettledAt, in: in}
}

// bundle judges when the deliveries of a bundle were told, and with which others.
func (o *oracle) bundle(all []store.Delivery) {
	released := map[time.Time][]store.Delivery{}
	for _, d := range all {
		left := outOf(d)
		if by := o.weather.by([]span{since(d.HeldUntil)}, soakPrompt); !by.IsZero() && left.at.After(by) {
			o.fault("%s: held until %s, not told by %s, but at %s", d.Key, stamp(d.HeldUntil), stamp(by), stamp(left.at))
		}
		if left.taken || left.at.Equal(forever) {
			continue
		}
		if left.at.Before(d.HeldUntil) || !o.weather.running(left.at) {
			o.fault("%s: held until %s, told at %s", d.Key, stamp(d.HeldUntil), stamp(left.at))
		}
		released[left.at] = append(released[left.at], d)
	}
	for at, those := range released {
		for _, d := range all {
			if !d.HeldUntil.After(at) && d.CreatedAt.Before(at) && outOf(d).at.After(at) {
				o.fault("%s: held until %s, not told with %s at %s", d.Key, stamp(d.HeldUntil), those[0].Key, stamp(at))
			}
		}
		o.released(those, slices.DeleteFunc(slices.Clone(all), func(d store.Delivery) bool {
			left := outOf(d)
			return !left.at.Equal(at) || !left.taken
		}), at)
	}
}

// released judges what was told together: one message tells of all, but for what a silence holds back by itself. taken
// are those of the bundle that were taken back at that moment: either may have come first.
func (o *oracle) released(all, taken []store.Delivery, at time.Time) {
	digest := ""
	for _, d := range all {
		if in := outOf(d).in; in != "" {
			digest = in
		}
	}
	if i := slices.IndexFunc(all, func(d store.Delivery) bool { return contentOf(o, d).Digest != nil }); i >= 0 && digest == "" && len(taken) > 0 {
		digest = all[i].ID // all whom it tells of but itself were taken back as it was made
	}
	var within []store.Delivery
	alone := 0
	for _, d := range all {
		in := outOf(d).in
		surely, maybe := o.hushed(d, at)
		switch {
		case in != "" || d.ID == digest:
			within = append(within, d)
			if surely || in != "" && in != digest {
				o.fault("%s: told in %s at %s, silenced: %v, others in %s", d.Key, in, stamp(at), surely, digest)
			}
		case !maybe:
			alone++
			fallthrough
		default:
			if contentOf(o, d).Digest != nil {
				o.fault("%s: a digest at %s that nobody is told in", d.Key, stamp(at))
			}
			if surely {
				o.tally.silenced++
			}
		}
	}
	if digest == "" && alone > 1 || digest != "" && alone > 0 {
		o.fault("%s: %d of %d told alone at %s, digest %q", all[0].Key, alone, len(all), stamp(at), digest)
	}
	o.tally.alone += alone
	if digest != "" {
		o.digest(digest, within, taken)
	}
}

// digest judges what a digest says.
func (o *oracle) digest(id string, within, taken []store.Delivery) {
	i := slices.IndexFunc(within, func(d store.Delivery) bool { return d.ID == id })
	if i < 0 {
		o.fault("%s: told in %s, which was not sent with it", within[0].Key, id)
		return
	}
	o.tally.digests, o.tally.within = o.tally.digests+1, o.tally.within+len(within)
	d := contentOf(o, within[i]).Digest
	if d == nil || d.Total < len(within) || d.Total > len(within)+len(taken) || len(d.Items) != min(d.Total, 30) {
		o.fault("%s: the digest is of %d, %d taken back: %+v", within[i].Key, len(within), len(taken), d)
		return
	}
	next := 0 // the items are in the order of creation
	for _, item := range d.Items {
		titled := func(d store.Delivery) bool { return strings.Contains(item.Title, titleOf(d)) }
		switch {
		case next < len(within) && titled(within[next]):
			next++
		case !slices.ContainsFunc(taken, titled):
			o.fault("%s: its digest tells of %q", within[i].Key, item.Title)
		}
	}
	if next < min(len(within), 30-len(taken)) {
		o.fault("%s: its digest does not tell of %s", within[i].Key, within[next].Key)
	}
}

func contentOf(o *oracle, d store.Delivery) render.Content {
	c, err := render.Unmarshal(d.Content)
	require.NoError(o.t, err)
	return c
}

// titleOf is the title of a message that may be held back; naming sees to it.
func titleOf(d store.Delivery) string {
	return strings.TrimSpace(d.Execution.Name + " of " + d.Rule + ": " + d.Reason)
}

func naming(r *spec.Rule) { r.Message.Title = "{{.Name}} of {{.Rule}}: {{.Reason}}" }

// takenBack judges which reminders and escalations of an occurrence were taken back before they were sent: when the
// next was made, and when it was seen to be over or acknowledged.
func (a *account) takenBack(key string, r spec.Rule, holds []span, over, acked time.Time) {
	for count := 1; ; count++ {
		d, ok := a.sent[fmt.Sprintf("%s|%d|send[0]", key, count)]
		if !ok {
			break
		}
		next := forever
		if d, ok := a.sent[fmt.Sprintf("%s|%d|send[0]", key, count+1)]; ok {
			next = d.CreatedAt
		}
		a.back(d, holds, next, over, acked)
	}
	for i := range r.Escalate {
		if d, ok := a.sent[fmt.Sprintf("%s|0|escalate[%d].send[0]", key, i)]; ok {
			a.back(d, holds, forever, over, acked)
		}
	}
	if acked != forever {
		a.tally.acked++
	}
}

// back judges one of them.
func (a *account) back(d store.Delivery, holds []span, next, over, acked time.Time) {
	left := outOf(d)
	if left.taken {
		a.tally.taken++
		after := left.at.Add(time.Microsecond) // at the moment at which it is over either may come first
		if !left.at.Equal(next) && left.at.Before(acked) && slices.ContainsFunc(holds, func(s span) bool { return s.has(after) }) {
			a.fault("%s: %s was taken back at %s, holds %v", a.name(), d.Key, stamp(left.at), show(holds))
		}
	}
	seen := a.weather.by([]span{{acked, a.gone}}, soakPrompt)
	if seen.IsZero() {
		seen = forever
	}
	for _, by := range []time.Time{next, over, seen} {
		if left.at.After(by) {
			a.fault("%s: %s made at %s and not taken back by %s, but out at %s: %s %s, over %s, acknowledged %s", a.name(), d.Key, stamp(d.CreatedAt), stamp(by),
				stamp(left.at), d.State, d.LastError, stamp(over), stamp(acked))
			break
		}
	}
}
