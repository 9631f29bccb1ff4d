package email

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// People are those whom a mail reaches, each list as it is written: "Ada <ada@example.org>", or a template. An empty
// ReplyTo lets answers go to the sender.
type People struct {
	To, Cc, Bcc []string
	ReplyTo     string
}

// Validate returns what is wrong with the addresses, by the keys to, cc, bcc and reply_to; templates are judged once
// they are rendered. A mail goes to at most so many.
func (p People) Validate(most int) []notifier.Problem {
	var problems []notifier.Problem
	add := func(path, text string) { problems = append(problems, notifier.Problem{Path: path, Text: text}) }
	check := func(path, s string) {
		if _, err := ParseAddress(s); err != nil && !notifier.IsTemplate(s) {
			add(path, err.Error())
		}
	}
	if len(p.To) == 0 {
		add("to", "required")
	}
	for _, list := range p.lists() {
		for i, s := range list.all {
			check(fmt.Sprintf("%s[%d]", list.key, i), s)
		}
	}
	if p.ReplyTo != "" {
		check("reply_to", p.ReplyTo)
	}
	if n := len(p.To) + len(p.Cc) + len(p.Bcc); n > most {
		add("to", fmt.Sprintf("%d addresses with cc and bcc, more than %d", n, most))
	}
	return problems
}

// Lane is the sorted to addresses: mails to the same people keep their order.
func (p People) Lane() string {
	all := make([]string, len(p.To))
	for i, to := range p.To {
		all[i] = Bare(to)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// All are all bare addresses, of answers too: reply_to leads people to write there.
func (p People) All() []string {
	var all []string
	for _, list := range [][]string{p.To, p.Cc, p.Bcc, {p.ReplyTo}} {
		for _, s := range list {
			if a := Bare(s); a != "" && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// Recipients are a mail's People, parsed, and each in the first list that has them.
type Recipients struct {
	To, Cc, Bcc []Address
	ReplyTo     *Address // nil: the sender
}

// Parse reads rendered addresses. The error names the first that is none.
func (p People) Parse() (Recipients, error) {
	var r Recipients
	seen := map[string]bool{}
	into := []*[]Address{&r.To, &r.Cc, &r.Bcc}
	for n, list := range p.lists() {
		for i, s := range list.all {
			a, err := ParseAddress(s)
			if err != nil {
				return Recipients{}, fmt.Errorf("%s[%d]: %w", list.key, i, err)
			}
			if same := strings.ToLower(a.Addr); !seen[same] {
				seen[same] = true
				*into[n] = append(*into[n], a)
			}
		}
	}
	if p.ReplyTo == "" {
		return r, nil
	}
	a, err := ParseAddress(p.ReplyTo)
	if err != nil {
		return Recipients{}, fmt.Errorf("reply_to: %w", err)
	}
	r.ReplyTo = &a
	return r, nil
}

type list struct {
	key string
	all []string
}

func (p People) lists() []list { return []list{{"to", p.To}, {"cc", p.Cc}, {"bcc", p.Bcc}} }
