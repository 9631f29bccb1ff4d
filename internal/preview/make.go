package preview

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Told is what a rule would tell of an occasion.
type Told struct {
	Rule       Rule
	Occurrence executor.Occurrence
	Data       render.Data // what the templates saw
	Message    notifier.Message
	// TemplateError says why the message is the default one; empty if it is not.
	TemplateError string
	Holds         bool          // whether its condition does
	Unless        string        // why it would not fire though the condition holds: its `if` is false, or fails
	After         time.Duration // of an escalation
	Fallback      bool          // it is told only when everybody else's message is dead
	History       []string      // the occasion's
	To            []Delivery
	content       render.Content
}

// Failed says whether anything of it would not arrive as its author wrote it.
func (t Told) Failed() bool {
	failed := t.TemplateError != ""
	for _, d := range t.To {
		failed = failed || d.Error != "" || d.LeftOut != ""
	}
	return failed
}

// Delivery is the message as one destination gets it.
type Delivery struct {
	Kind       string
	Connection string // its name; empty where the file does not say which, or the kind has none
	Address    string // rendered
	Error      string // why it would be dead
	LeftOut    string // what templates of its destination did not give; it is sent without
	notifier.Preview
}

// Maker makes previews.
type Maker struct {
	Registry *notifier.Registry
	Config   *config.Config // for default connections and what they allow; nil: neither is known
	Count    int            // of the reminder to show; 0: the first message
}

// Make returns what the rule tells, to its own destinations first, then to those of each escalation, and last to those
// of its fallback.
func (k Maker) Make(r Rule, o Occasion) ([]Told, error) {
	own, err := k.told(r, o, executor.Occurrence{Rule: r.Name, Reason: o.Reason, Count: k.Count}, r.Rule.Send)
	all := []Told{own}
	for i, e := range r.Escalate {
		if err != nil || k.Count > 0 {
			break
		}
		var further Told
		further, err = k.told(r, o, executor.Occurrence{Rule: r.Name, Reason: o.Reason, Escalation: i + 1}, e.Send)
		further.After = e.After
		all = append(all, further)
	}
	if err == nil && len(r.Rule.Fallback) > 0 {
		var last Told
		last, err = k.told(r, o, executor.Occurrence{Rule: r.Name, Reason: o.Reason, Count: k.Count}, r.Rule.Fallback)
		last.Fallback = true
		all = append(all, last)
	}
	return all, err
}

func (k Maker) told(r Rule, o Occasion, occurrence executor.Occurrence, steps []spec.Step) (Told, error) {
	t := Told{Rule: r, Occurrence: occurrence, Data: o.Facts.Data(occurrence, o.At), History: o.History}
	t.Holds, t.Unless = fires(r, o)
	// As stored and read back, since that is what a delivery is made from.
	raw, err := render.Content{Template: r.Message, Data: t.Data}.Marshal()
	if err != nil {
		return t, fmt.Errorf("make message of rule %s: %w", r.FullName(), err)
	}
	if t.content, err = render.Unmarshal(raw); err != nil {
		return t, fmt.Errorf("make message of rule %s: %w", r.FullName(), err)
	}
	if t.Message, err = render.Message(t.content, "preview"); err != nil {
		t.TemplateError = err.Error()
	}
	for _, s := range steps {
		t.To = append(t.To, k.delivery(s, t))
	}
	return t, nil
}

// fires says whether the rule's condition holds, and why it would not fire then.
func fires(r Rule, o Occasion) (holds bool, unless string) {
	condition := r.Rule
	condition.If = nil
	holding, err := executor.Evaluate(o.Facts, condition, o.At)
	if r.Now || err != nil || len(holding) == 0 {
		return r.Now || o.Made, ""
	}
	holding, err = executor.Evaluate(o.Facts, r.Rule, o.At)
	switch {
	case err != nil:
		return true, err.Error()
	case len(holding) == 0:
		return true, "if is false: " + r.If.String()
	}
	return true, ""
}

// delivery renders the destination, and shows the message as it does.
func (k Maker) delivery(s spec.Step, t Told) Delivery {
	d := Delivery{Kind: s.Kind, Connection: s.Connection, Address: s.Kind}
	if k.Config != nil {
		d.Connection = cmp.Or(s.Connection, k.Config.Defaults[s.Kind])
	}
	err := k.show(&d, s, t)
	if err != nil {
		d.Error = err.Error()
	}
	if d.Text == "" {
		d.Text = stdout.Text(t.Message)
	}
	return d
}

func (k Maker) show(d *Delivery, s spec.Step, t Told) error {
	filled, err := k.filled(d.Connection, s.Destination)
	if err != nil {
		return err
	}
	to, err := spec.Addressed(k.Registry, s.Kind, filled, t.Data)
	d.Address = to.Address
	if err != nil {
		return err
	}
	m := t.Message
	if len(to.LeftOut) > 0 {
		t.content.LeftOut = to.LeftOut
		m, _ = render.Message(t.content, m.Key) // the error is those, and TemplateError
		d.LeftOut = notifier.Join(to.LeftOut)
	}
	if d.Preview, err = k.preview(d.Connection, to.Destination, m); err != nil {
		return err
	}
	manifest, _ := k.Registry.Find(s.Kind) // Addressed found it
	return k.allowed(*d, manifest, to.Destination, t.Data)
}

// filled is the destination with what the connection adds to it, as a server would have read it.
func (k Maker) filled(connection string, raw json.RawMessage) (json.RawMessage, error) {
	if k.Config == nil || len(raw) == 0 {
		return raw, nil
	}
	var keys map[string]any
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, fmt.Errorf("read destination: %w", err)
	}
	if keys == nil {
		keys = map[string]any{}
	}
	spec.Fill(keys, k.Config.Connections[connection].Config)
	return json.Marshal(keys)
}

// preview shows the message as the connection's config says, where it does, else as the destination does.
func (k Maker) preview(connection string, to notifier.Destination, m notifier.Message) (notifier.Preview, error) {
	if k.Config != nil {
		if p, ok := k.Config.Connections[connection].Config.(notifier.DestinationPreviewer); ok {
			return p.PreviewFor(to, m)
		}
	}
	if p, ok := to.(notifier.Previewer); ok {
		return p.Preview(m)
	}
	return notifier.Preview{}, nil
}

// allowed judges what can be known without asking the service.
func (k Maker) allowed(d Delivery, manifest notifier.Manifest, to notifier.Destination, data render.Data) error {
	if k.Config == nil || manifest.Config == nil {
		return nil
	}
	c, ok := k.Config.Connections[d.Connection]
	switch {
	case d.Connection == "":
		return fmt.Errorf("the server has no default connection for %s", d.Kind)
	case !ok:
		return fmt.Errorf("unknown connection %q", d.Connection)
	case c.Kind != d.Kind:
		return fmt.Errorf("connection %q is of kind %s, not %s", d.Connection, c.Kind, d.Kind)
	}
	if err := c.Allow.CheckScope(data.Project, data.Domain); err != nil {
		return err
	}
	if err := c.Allow.CheckDestination(to); err != nil {
		return err
	}
	if judge, ok := c.Config.(notifier.DestinationJudge); ok {
		for _, problem := range judge.CheckDestination(to) {
			return errors.New(problem.String())
		}
	}
	return nil
}
