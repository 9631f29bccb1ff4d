package delivery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	opsGroups = 10  // connections with their errors that a message lists
	opsIDs    = 5   // deliveries of each that it names
	opsError  = 200 // characters of an error: what is the same up to there is told together
)

// opsDead are deliveries that died, by connection and error.
type opsDead struct {
	count  int
	groups map[opsGroup]*opsList
	deaths []opsDeath
}

type opsDeath struct {
	name string
	at   time.Time
}

type opsGroup struct{ connection, kind, error string }

type opsList struct {
	count int
	ids   []string
}

func (o *opsDead) add(d store.Delivery) {
	if o.groups == nil {
		o.groups = map[opsGroup]*opsList{}
	}
	g := opsGroup{d.Connection, d.Kind, notifier.Cut(notifier.OneLine(d.LastError), opsError)}
	l := o.groups[g]
	if l == nil {
		l = &opsList{}
		o.groups[g] = l
	}
	o.count++
	l.count++
	if len(l.ids) < opsIDs {
		l.ids = append(l.ids, d.ID)
	}
	o.deaths = append(o.deaths, opsDeath{death(d), d.SettledAt})
}

// late are the deaths that the next look must not tell again, though they are not older than it looks back.
func (o *opsDead) late(now time.Time) (all []string) {
	for _, d := range o.deaths {
		if !d.at.Before(now.Add(-opsOverlap)) && len(all) < manyLate {
			all = append(all, d.name)
		}
	}
	return all
}

func (o *opsDead) title() string {
	if o.count == 1 {
		return "1 message could not be delivered"
	}
	return fmt.Sprintf("%d messages could not be delivered", o.count)
}

// body lists them, those of which there are most first.
func (o *opsDead) body(since time.Time) string {
	type entry struct {
		opsGroup
		*opsList
	}
	var all []entry
	for g, l := range o.groups {
		all = append(all, entry{g, l})
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.connection, b.connection), cmp.Compare(a.kind, b.kind), cmp.Compare(a.error, b.error))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "Given up since %s:\n", since.UTC().Format("2006-01-02 15:04:05 UTC"))
	for i, e := range all {
		if i == opsGroups {
			fmt.Fprintf(&b, "\nand %d more kinds of errors\n", len(all)-opsGroups)
			break
		}
		fmt.Fprintf(&b, "\n%s, %d: %s\n  flyte-notifier redrive %s", through(e.opsGroup), e.count, e.error, strings.Join(e.ids, " "))
		if e.count > len(e.ids) {
			fmt.Fprintf(&b, " (and %d more)", e.count-len(e.ids))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\nAll of them: flyte-notifier deliveries --state dead")
	return b.String()
}

func through(g opsGroup) string {
	if g.connection == "" || g.connection == g.kind {
		return g.kind
	}
	return g.connection + " (" + g.kind + ")"
}
