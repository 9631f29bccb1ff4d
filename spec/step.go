package spec

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
)

// connectionKey is the key beside a destination's own.
const connectionKey = "connection"

func (p *parser) steps(path string, entries []any, target Target) []Step {
	steps := make([]Step, len(entries))
	for i, entry := range entries {
		steps[i] = p.step(strict.Index(path, i), entry, target)
	}
	return steps
}

// step reads an entry of `send`: one notifier's kind and its destination.
func (p *parser) step(path string, entry any, target Target) Step {
	m, ok := entry.(map[string]any)
	if !ok {
		p.add(path, "must be a mapping, not "+strict.Name(entry))
		return Step{}
	}
	kinds := slices.Sorted(maps.Keys(m))
	for _, kind := range kinds {
		if _, known := p.env.Registry.Find(kind); !known {
			p.unknownKind(strict.Key(path, kind), kind)
		}
	}
	switch len(kinds) {
	case 0:
		p.add(path, "must name a notifier: "+strings.Join(p.kinds(), ", "))
		return Step{}
	case 1:
	default:
		p.add(path, "must name exactly one notifier; give each its own entry")
	}
	var last Step
	for _, kind := range kinds {
		if manifest, known := p.env.Registry.Find(kind); known {
			last = p.notifier(strict.Key(path, kind), manifest, m[kind], target)
		}
	}
	return last
}

func (p *parser) unknownKind(path, kind string) {
	if use := p.env.Registry.Instead(kind); use != "" {
		p.add(path, "is no notifier: use "+use)
		return
	}
	near := strict.Suggest(kind, p.kinds())
	if near == "" {
		near = ", must be one of " + strings.Join(p.kinds(), ", ")
	}
	p.add(path, "unknown notifier"+near)
}

func (p *parser) kinds() []string {
	var kinds []string
	for _, m := range p.env.Registry.All() {
		kinds = append(kinds, m.Kind)
	}
	return kinds
}

// notifier reads the keys under a notifier's kind: the connection and the destination.
func (p *parser) notifier(path string, manifest notifier.Manifest, value any, target Target) Step {
	given, ok := value.(map[string]any)
	if !ok && value != nil {
		p.add(path, "must be a mapping, not "+strict.Name(value))
		return Step{}
	}
	keys := map[string]any{}
	maps.Copy(keys, given)
	step := Step{Kind: manifest.Kind, Path: path}
	var connection *notifier.Connection
	if manifest.Config != nil {
		step.Connection, connection = p.connection(path+"."+connectionKey, manifest.Kind, keys[connectionKey], target)
		delete(keys, connectionKey)
	}
	if connection != nil {
		Fill(keys, connection.Config)
	}
	p.destination(path, manifest, keys, connection)
	raw, err := json.Marshal(keys)
	if err != nil { // a number that is none, in a key that takes anything
		p.add(path, err.Error())
	}
	step.Destination = raw
	return step
}

// Fill adds the keys that a connection's config has for destinations without them. The texts are templates.
func Fill(keys map[string]any, config any) {
	filler, ok := config.(notifier.DestinationFiller)
	if !ok {
		return
	}
	for key, value := range filler.DestinationKeys() {
		if keys[key] == nil {
			keys[key] = value
		}
	}
}

// CheckTemplates returns what is wrong with the templates among the texts of a tree, which is found at the path.
func CheckTemplates(path string, tree any) (problems []notifier.Problem) {
	texts(path, tree, func(at, text string) {
		if err := render.Check(text); err != nil {
			problems = append(problems, notifier.Problem{Path: at, Text: err.Error()})
		}
	})
	return problems
}

// connection finds the connection that a step names, and asks whether this task may use it. A
// spec judged alone keeps the name as it is written.
func (p *parser) connection(path, kind string, value any, target Target) (string, *notifier.Connection) {
	name, ok := value.(string)
	if !ok && value != nil {
		p.add(path, "must be a string, not "+strict.Name(value))
		return "", nil
	}
	if p.env.alone() {
		return name, nil
	}
	c, err := p.env.Connections.Find(kind, name)
	if err != nil {
		p.add(path, err.Error())
		return "", nil
	}
	// The task's own scope uses the connection, and the watched one is what is told of. A subscription is
	// the operator's own.
	caller := p.env.Caller
	if p.subscribing {
		caller = Execution{Project: target.Project, Domain: target.Domain, Name: "*"}
	}
	if p.subscribing && target.Name == "" {
		return c.Name, c
	}
	if p.ofNobody && len(c.Allow.Scopes) > 0 {
		p.add(path, "the connection allows its scopes only, and this message is of none")
		return c.Name, c
	}
	if caller.Name == "" && len(c.Allow.Scopes) > 0 {
		p.add(path, "the connection allows its scopes only, and the task does not run in an execution")
	} else if p.ofNobody {
		return c.Name, c
	} else if err := c.Allow.CheckScope(caller.Project, caller.Domain); err != nil {
		p.add(path, err.Error())
	} else if err := c.Allow.CheckScope(target.Project, target.Domain); err != nil && target.Name != "" {
		p.add(path, err.Error())
	}
	return c.Name, c
}

// destination checks a destination's keys as the notifier reads them, its templates, and the
// places it names against the connection's allow list.
func (p *parser) destination(path string, manifest notifier.Manifest, keys map[string]any, c *notifier.Connection) {
	d := manifest.Destination()
	problems := strict.Decode(keys, d)
	for i, found := range problems {
		problems[i] = mistakenConnection(manifest, found)
	}
	p.problems = append(p.problems, strict.Under(path, problems)...)
	texts(path, keys, p.template)
	if shaped, ok := d.(notifier.Shaped); ok && len(problems) == 0 {
		problems = strict.Under(path, shaped.CheckShape())
		p.problems = append(p.problems, problems...)
	}
	if len(problems) > 0 || c == nil {
		return
	}
	if judge, ok := c.Config.(notifier.DestinationJudge); ok {
		p.problems = append(p.problems, strict.Under(path, judge.CheckDestination(d))...)
	}
	for _, address := range notifier.Addresses(d) {
		if notifier.IsTemplate(address) {
			continue // judged once it is rendered
		}
		if err := c.Allow.CheckNames(address); err != nil {
			p.add(placeOf(path, keys, address), err.Error())
		}
	}
}

// mistakenConnection adds the suggestion that the notifier's own keys cannot give.
func mistakenConnection(manifest notifier.Manifest, found notifier.Problem) notifier.Problem {
	if manifest.Config != nil && found.Text == "unknown key" {
		found.Text += strict.Suggest(found.Path, []string{connectionKey})
	}
	return found
}

// texts calls visit with every string in the tree and its path, in a fixed order.
func texts(path string, tree any, visit func(path, text string)) {
	switch v := tree.(type) {
	case string:
		visit(path, v)
	case []any:
		for i, entry := range v {
			texts(strict.Index(path, i), entry, visit)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			texts(strict.Key(path, key), v[key], visit)
		}
	}
}

// placeOf is the path of the string that names the address, or that of the whole destination.
func placeOf(path string, keys map[string]any, address string) string {
	place := ""
	texts(path, keys, func(at, text string) {
		if place == "" && names(text, address) {
			place = at
		}
	})
	return cmp.Or(place, path)
}

// names says whether a string of a destination is what an address was made of: with or without a
// channel's "#", the prefix of its kind ("email:"), a person's name before <it>, or as the host of a URL.
func names(text, address string) bool {
	_, bare, prefixed := strings.Cut(address, ":")
	text = strings.ToLower(strings.TrimPrefix(text, "#"))
	address = strings.ToLower(strings.TrimPrefix(address, "#"))
	if u, err := url.Parse(text); err == nil && u.Host != "" && u.Hostname() == address {
		return true
	}
	return text != "" && (text == address || prefixed && text == strings.ToLower(bare) || strings.HasSuffix(text, "<"+address+">"))
}
