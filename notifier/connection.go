package notifier

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Connection is a notifier with its credentials under the name that tasks know it by.
type Connection struct {
	Name     string
	Kind     string
	Notifier BaseNotifier // nil where only the config is judged
	Config   any          // what the config says: the manifest's *Config; nil where the kind has none
	Allow    Allow
	Rate     Rate // what the config says, the manifest's where it is silent
}

// Rate limits sends. PerSecond and Burst hold for each destination, TotalPerSecond for the whole
// connection; zero is no limit.
type Rate struct {
	PerSecond      float64 `json:"per_second"`
	Burst          int     `json:"burst"`
	TotalPerSecond float64 `json:"total_per_second"`
}

// Allow says who may use a connection, and for what. Empty lists allow all.
type Allow struct {
	Scopes       []string `json:"scopes"`       // globs on "project/domain"
	Destinations []string `json:"destinations"` // globs on Destination.Addresses
}

// CheckScope returns an error naming the scope when it may not use the connection.
func (a Allow) CheckScope(project, domain string) error {
	scope := project + "/" + domain
	if len(a.Scopes) == 0 || slices.ContainsFunc(a.Scopes, func(g string) bool { return glob(g, scope) }) {
		return nil
	}
	return fmt.Errorf("the connection does not allow scope %s", scope)
}

// CheckDestination returns nil when each place of the destination is allowed. further are names that a Resolver found for the
// only one.
func (a Allow) CheckDestination(d Destination, further ...string) error {
	places := Addresses(d)
	if len(places) == 1 && len(further) > 0 {
		return a.CheckNames(slices.Compact(slices.Sorted(slices.Values(slices.Concat(further, places))))...)
	}
	for _, place := range places {
		if err := a.CheckNames(place); err != nil {
			return err
		}
	}
	return nil
}

// CheckNames returns nil when any of the names, all of one place, is allowed.
func (a Allow) CheckNames(names ...string) error {
	if len(a.Destinations) == 0 {
		return nil
	}
	for _, name := range names {
		if slices.ContainsFunc(a.Destinations, func(g string) bool { return glob(g, name) }) {
			return nil
		}
	}
	return fmt.Errorf("the connection does not allow destination %s", strings.Join(names, ", "))
}

// glob matches as path.Match does, and mail addresses in any case; a malformed pattern, refused by
// the config, matches nothing.
func glob(pattern, s string) bool {
	if strings.Contains(pattern, "@") {
		pattern, s = strings.ToLower(pattern), strings.ToLower(s)
	}
	ok, err := path.Match(pattern, s)
	return err == nil && ok
}

// Connections are all connections of a server, and the one meant where a task names none.
type Connections struct {
	byName   map[string]*Connection
	defaults map[string]string // kind → name
}

// NewConnections returns the set; defaults maps a kind to the name used when a task names none.
func NewConnections(all []*Connection, defaults map[string]string) *Connections {
	c := &Connections{byName: map[string]*Connection{}, defaults: defaults}
	for _, conn := range all {
		c.byName[conn.Name] = conn
	}
	return c
}

// Find returns the connection of this kind and name. An empty name is the kind's default. The
// error says what is missing, without a path.
func (c *Connections) Find(kind, name string) (*Connection, error) {
	if name == "" {
		if name = c.defaults[kind]; name == "" {
			return nil, fmt.Errorf("required: the server has no default connection for %s", kind)
		}
	}
	conn, ok := c.byName[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("unknown connection %q", name)
	case conn.Kind != kind:
		return nil, fmt.Errorf("connection %q is of kind %s, not %s", name, conn.Kind, kind)
	}
	return conn, nil
}

// All returns every connection, sorted by name.
func (c *Connections) All() []*Connection {
	all := make([]*Connection, 0, len(c.byName))
	for _, conn := range c.byName {
		all = append(all, conn)
	}
	slices.SortFunc(all, func(a, b *Connection) int { return strings.Compare(a.Name, b.Name) })
	return all
}
