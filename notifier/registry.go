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
	Guarantee   string // how often a message may arrive, as its page has it

	// Names are services that people look for as kinds of their own, each with what to write: "discord" is
	// "webhook, with format: discord in its connection".
	Names map[string]string

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

// Instead says what to write for a name that is no kind, where a manifest knows; else it is empty.
func (r *Registry) Instead(name string) string {
	for _, m := range r.manifests {
		if use := m.Names[name]; use != "" {
			return use
		}
	}
	return ""
}
