package delivery

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// maxRemark is how long a silence's comment, and the name of who made it, may be, in characters: they are
// told with every delivery that it holds back.
const maxRemark = 500

// Silence holds messages back for a while: each that would be sent meanwhile, and that it matches, becomes
// Silenced. It stays so, unless somebody redrives it.
type Silence struct {
	ID        string       `json:"-"` // given by AddSilence
	Match     SilenceMatch `json:"match"`
	From      time.Time    `json:"from,omitzero"` // zero: at once, whatever the clocks of servers show
	Until     time.Time    `json:"until"`         // it holds nothing back from then on
	By        string       `json:"by,omitempty"`  // who made it
	Comment   string       `json:"comment,omitempty"`
	CreatedAt time.Time    `json:"created_at"`
}

// SilenceMatch selects messages by what they are about. All of it must match; patterns are as in spec.Match,
// and an empty one matches everything.
type SilenceMatch struct {
	Project    string `json:"project,omitempty"`
	Domain     string `json:"domain,omitempty"`
	Name       string `json:"name,omitempty"`        // the execution's
	Workflow   string `json:"workflow,omitempty"`    // its name without project and version
	LaunchPlan string `json:"launch_plan,omitempty"` // likewise
	Rule       string `json:"rule,omitempty"`
	User       string `json:"user,omitempty"` // who started the execution
}

// pattern is one of a match, under its name in JSON.
type pattern struct{ of, text string }

// patterns are those that are not empty.
func (m SilenceMatch) patterns() (all []pattern) {
	for _, p := range []pattern{
		{"project", m.Project},
		{"domain", m.Domain},
		{"name", m.Name},
		{"workflow", m.Workflow},
		{"launch_plan", m.LaunchPlan},
		{"rule", m.Rule},
		{"user", m.User},
	} {
		if p.text != "" {
			all = append(all, p)
		}
	}
	return all
}

// String is the match as people read it: project=ml domain=production.
func (m SilenceMatch) String() string {
	var parts []string
	for _, p := range m.patterns() {
		parts = append(parts, p.of+"="+p.text)
	}
	return strings.Join(parts, " ")
}

// Matches says whether a delivery is about what the match selects.
func (m SilenceMatch) Matches(d *store.Delivery) bool {
	x := d.Execution
	if !spec.Fits(m.Project, x.Project) || !spec.Fits(m.Domain, x.Domain) || !spec.Fits(m.Name, x.Name) || !spec.Fits(m.Rule, d.Rule) {
		return false
	}
	if m.Workflow == "" && m.LaunchPlan == "" && m.User == "" {
		return true // what the message is made from need not be read
	}
	c, err := render.Unmarshal(d.Content)
	return err == nil && spec.Fits(m.Workflow, c.Data.Workflow) && spec.Fits(m.LaunchPlan, c.Data.LaunchPlan) && spec.Fits(m.User, c.Data.User)
}

// SilenceState is where a silence is in its life.
type SilenceState string

// The states of a silence.
const (
	SilencePending SilenceState = "pending" // its From is yet to come
	SilenceActive  SilenceState = "active"
	SilenceExpired SilenceState = "expired" // kept for a while, so that it can be told what held a message back
)

// State is that of the silence at a time.
func (s *Silence) State(now time.Time) SilenceState {
	switch {
	case !now.Before(s.Until):
		return SilenceExpired
	case now.Before(s.From):
		return SilencePending
	}
	return SilenceActive
}

// Check returns an error for a silence that makes no sense: one that matches everything without saying so, by
// patterns like "*"; a malformed pattern; an end that is not after the beginning; remarks that are too long.
func (s *Silence) Check() error {
	patterns := s.Match.patterns()
	if len(patterns) == 0 {
		return errors.New("it has no pattern, so that it would hold everything back")
	}
	for _, p := range patterns {
		if _, err := path.Match(p.text, ""); err != nil {
			return fmt.Errorf("malformed pattern %q of %s", p.text, p.of)
		}
	}
	switch {
	case !s.Until.After(s.From):
		return fmt.Errorf("its end %s is not after its beginning %s", utc(s.Until), utc(s.From))
	case !s.Until.After(s.CreatedAt):
		return fmt.Errorf("its end %s is over already", utc(s.Until))
	case utf8.RuneCountInString(s.Comment) > maxRemark || utf8.RuneCountInString(s.By) > maxRemark:
		return fmt.Errorf("its comment and who made it may have %d characters each", maxRemark)
	}
	return nil
}

// why says on one line what held a delivery back.
func (s *Silence) why() string {
	text := silencedBy + s.ID + " until " + utc(s.Until)
	if by := notifier.OneLine(s.By); by != "" {
		text += ", by " + by
	}
	if comment := notifier.OneLine(s.Comment); comment != "" {
		text += ": " + comment
	}
	return text
}

// silencedBy begins the LastError of a delivery that was held back.
const silencedBy = "silenced by "

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }
