package config

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// The keys of a connection beside its notifier.
const (
	allowKey = "allow"
	rateKey  = "rate"
	quietKey = "quiet"
)

func (p *parser) connections(docs map[string]any) map[string]Connection {
	all := map[string]Connection{}
	for name, doc := range docs {
		at := strict.Key("connections", name)
		if text := p.nameProblem(name); text != "" {
			p.add(at, text)
		}
		m, ok := doc.(map[string]any)
		if !ok {
			p.add(at, "must be a mapping, not "+strict.Name(doc))
			continue
		}
		if c, kind := p.connection(at, m); kind {
			all[name] = c
		}
	}
	return all
}

// nameProblem says what is wrong with a connection's name. A notifier without connections lends
// its own name to the one it has.
func (p *parser) nameProblem(name string) string {
	const longest = 63
	foreign := strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
	if m, ok := p.reg.Find(name); ok && m.Config == nil {
		return "is the name of a notifier that needs no connection; choose another"
	}
	if foreign || name == "" || len(name) > longest {
		return fmt.Sprintf("must be a name of at most %d lower-case letters, digits, '-' and '_'", longest)
	}
	return ""
}

// connection reads one connection; kind is false if it names no notifier.
func (p *parser) connection(at string, m map[string]any) (c Connection, kind bool) {
	var kinds []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key == allowKey || key == rateKey || key == quietKey {
			continue
		}
		if p.kind(strict.Key(at, key), key) {
			kinds = append(kinds, key)
		}
	}
	switch {
	case len(kinds) > 1:
		p.add(at, "must have exactly one notifier, not "+strings.Join(kinds, " and "))
	case len(kinds) == 0 && !p.told(at):
		p.add(at, "must have a notifier: "+strings.Join(p.connectable(), ", "))
	}
	var manifest notifier.Manifest
	for _, key := range kinds {
		manifest, _ = p.reg.Find(key)
		c.Kind, c.Config = key, manifest.Config()
		p.decode(at+"."+key, m[key], c.Config)
	}
	c.Allow = p.allow(at, m)
	c.Quiet = p.quiet(at+"."+quietKey, m[quietKey])
	own := manifest.Rate
	if rated, ok := c.Config.(notifier.Rated); ok {
		own = rated.OwnRate()
	}
	c.Rate = p.rate(at+"."+rateKey, m[rateKey], own)
	p.together(at, c)
	return c, len(kinds) > 0
}

// together tells what the notifier's config and the allow list show together, and what is wrong with the templates
// that the config has for destinations, once each is right by itself.
func (p *parser) together(at string, c Connection) {
	if p.told(at) {
		return
	}
	if judge, ok := c.Config.(notifier.AllowJudge); ok {
		p.problems = append(p.problems, strict.Under(at, judge.CheckAllow(c.Allow))...)
	}
	if filler, ok := c.Config.(notifier.DestinationFiller); ok {
		p.problems = append(p.problems, spec.CheckTemplates(at+"."+c.Kind, filler.DestinationKeys())...)
	}
}

// kind says whether a key is a notifier that has connections, and tells why it is not.
func (p *parser) kind(at, kind string) bool {
	m, known := p.reg.Find(kind)
	switch {
	case known && m.Config != nil:
		return true
	case known:
		p.add(at, "needs no connection: tasks name the notifier alone")
	case p.reg.Instead(kind) != "":
		p.add(at, "is no notifier: use "+p.reg.Instead(kind))
	default:
		p.add(at, "unknown key"+strict.Suggest(kind, append(p.connectable(), allowKey, rateKey, quietKey)))
	}
	return false
}

// connectable are the kinds of notifiers that have connections.
func (p *parser) connectable() []string {
	var kinds []string
	for _, m := range p.reg.All() {
		if m.Config != nil {
			kinds = append(kinds, m.Kind)
		}
	}
	return kinds
}

// decode reads what stands under a key; nothing is an empty mapping.
func (p *parser) decode(at string, tree, dst any) {
	if tree == nil {
		tree = map[string]any{}
	}
	p.problems = append(p.problems, strict.Under(at, strict.Decode(tree, dst))...)
}

// allow reads who may use a connection. What is given and empty is refused: it would allow all,
// and a "#" that starts a comment in YAML makes it so.
func (p *parser) allow(at string, m map[string]any) notifier.Allow {
	var doc allowDocument
	tree, given := m[allowKey]
	at += "." + allowKey
	if tree == nil && given {
		p.add(at, "must not be empty")
	}
	keys, _ := tree.(map[string]any)
	for key, value := range keys {
		if value == nil {
			p.add(strict.Key(at, key), "must not be empty")
		}
	}
	p.decode(at, tree, &doc)
	for i, glob := range doc.Scopes {
		p.glob(strict.Index(at+".scopes", i), glob)
		if strings.Count(glob, "/") != 1 {
			p.also(strict.Index(at+".scopes", i), "must be a pattern of project/domain, such as ml/*")
		}
	}
	for i, glob := range doc.Destinations {
		p.glob(strict.Index(at+".destinations", i), glob)
	}
	return notifier.Allow{Scopes: doc.Scopes, Destinations: doc.Destinations}
}

// quiet reads the hours in which nothing is sent through a connection.
func (p *parser) quiet(at string, tree any) *spec.Quiet {
	if tree == nil {
		return nil
	}
	q, problems := spec.ParseQuiet(tree)
	p.problems = append(p.problems, strict.Under(at, problems)...)
	return q
}

func (p *parser) glob(at, glob string) {
	if _, err := path.Match(glob, ""); err != nil || glob == "" {
		p.add(at, "malformed pattern "+strict.Quote(glob))
	}
}

// rate is the service's own where the file is silent. A rate of the file's own without a burst
// lets one second's messages go at once.
func (p *parser) rate(at string, tree any, own notifier.Rate) notifier.Rate {
	var doc rateDocument
	p.decode(at, tree, &doc)
	rate := own
	if doc.PerSecond != nil {
		rate.PerSecond, rate.Burst = *doc.PerSecond, int(math.Ceil(min(*doc.PerSecond, math.MaxInt32)))
	}
	if doc.Burst != nil {
		rate.Burst = *doc.Burst
	}
	if doc.TotalPerSecond != nil {
		rate.TotalPerSecond = *doc.TotalPerSecond
	}
	rate.Burst = max(rate.Burst, 1)
	return rate
}

// defaults checks that each names a connection of its kind. docs are the connections as they are
// written: one that has problems of its own is there all the same.
func (p *parser) defaults(defaults map[string]string, docs map[string]any) map[string]string {
	for _, kind := range slices.Sorted(maps.Keys(defaults)) {
		at, name := strict.Key("defaults", kind), defaults[kind]
		if p.told(at) || !p.kind(at, kind) {
			continue
		}
		doc, known := docs[name]
		m, _ := doc.(map[string]any)
		if _, same := m[kind]; same {
			continue
		}
		if !known {
			p.add(at, "unknown connection "+strict.Quote(name)+strict.Suggest(name, slices.Collect(maps.Keys(docs))))
		} else {
			p.add(at, fmt.Sprintf("connection %s is not of kind %s", strict.Quote(name), kind))
		}
	}
	return defaults
}
