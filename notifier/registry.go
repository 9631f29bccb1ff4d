package notifier

import (
	"fmt"
	"net/http"
	"slices"
)

// Manifest describes a notifier: its name, its types and what it can do. Schema, validation,
// docs and metric labels come from it, so that a new notifier is one folder and one line.
type Manifest struct {
	Kind        string             // the key in specs and config: "slack"
	Title       string             // the service's own name: "Slack"
	Destination func() Destination // a new, empty destination (a pointer) to decode into
	Config      func() any         // a new, empty *Config to decode into; nil: it needs no connection
	New         func(config any, d Deps) (BaseNotifier, error)
	Rate        Rate   // the service's own limit per destination; the zero Rate is none
	Mail        bool   // it sends mail: its destinations are written {to: [addresses]}
	Guarantee   string // one sentence for the docs: how often a message may arrive

	// Idempotent: a message that is sent again with the same Message.Key arrives once, or whoever receives it can
	// tell that it is the same. So after an unknown outcome it may be sent again without being possibly double.
	// Where a kind's connections differ, Connection.Idempotent knows.
	Idempotent bool
}

// Deps is what every notifier is given besides its own config.
type Deps struct {
	// HTTP is for URLs that the operator gives. It follows no redirects, and has no time-out of its own: each call's
	// context has.
	HTTP *http.Client
	// Guarded is for URLs that a task gives: it is HTTP, but for addresses inside (private, loopback, link-local and
	// all that are not on the public internet), ports other than 80 and 443, and proxies, which would dial for it.
	// Its errors wrap ErrForbiddenAddress.
	Guarded *http.Client
	// Private is for URLs that a task gives where the operator has opened private and loopback addresses to it, and all
	// ports with them. What else is inside stays shut: link-local addresses, the cloud's metadata service among them.
	// nil is Guarded.
	Private *http.Client
}

// Registry is the set of notifiers a program was built with.
type Registry struct {
	manifests []Manifest
	reserved  []string
}

// NewRegistry returns a registry of the manifests, in their order. It panics when one is
// incomplete or a kind comes twice: that is a mistake in the program, seen at its first start.
func NewRegistry(manifests ...Manifest) *Registry {
	r := &Registry{}
	for _, m := range manifests {
		if m.Kind == "" || m.Destination == nil || m.New == nil {
			panic(fmt.Sprintf("notifier: incomplete manifest %q", m.Kind))
		}
		if _, twice := r.Find(m.Kind); twice {
			panic(fmt.Sprintf("notifier: kind %q is registered twice", m.Kind))
		}
		r.manifests = append(r.manifests, m)
	}
	return r
}

// Find returns the manifest of a kind.
func (r *Registry) Find(kind string) (Manifest, bool) {
	i := slices.IndexFunc(r.manifests, func(m Manifest) bool { return m.Kind == kind })
	if i < 0 {
		return Manifest{}, false
	}
	return r.manifests[i], true
}

// All returns the manifests in the order of registration.
func (r *Registry) All() []Manifest { return slices.Clone(r.manifests) }

// Reserve names kinds that are known but not part of this version, so that specs and configs
// hear so instead of "unknown". It returns the registry, and is called before the first use.
func (r *Registry) Reserve(kinds ...string) *Registry {
	r.reserved = append(r.reserved, kinds...)
	return r
}

// Reserved says whether a kind is known but not part of this version.
func (r *Registry) Reserved(kind string) bool { return slices.Contains(r.reserved, kind) }
