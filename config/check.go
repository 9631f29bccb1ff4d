package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// check tells what no single key can: values out of bounds, and keys that do not go together.
func (p *parser) check(c *Config) {
	p.address("server.listen", c.Server.Listen)
	p.address("server.http", c.Server.HTTP)
	if _, port, _ := net.SplitHostPort(c.Server.HTTP); c.Server.Listen == c.Server.HTTP && port != "0" {
		p.also("server.http", "must not be the address of server.listen")
	}
	p.tls(c.Server.TLS)
	p.hooks(c)
	p.console(c.Flyte.ConsoleURL)
	p.engine(c)

	p.positive("delivery.max_age", c.Delivery.MaxAge)
	p.positive("delivery.timeout", c.Delivery.Timeout)
	p.positive("retention.watches", c.Retention.Watches)
	p.positive("retention.deliveries", c.Retention.Deliveries)
	p.positive("watch.interval", c.Watch.Interval)
	p.positive("watch.node_interval", c.Watch.NodeInterval)
	p.positive("watch.discovery", c.Watch.Discovery)
	if c.Watch.Sweep <= c.Watch.Interval && !p.told("watch.interval") {
		p.also("watch.sweep", fmt.Sprintf("must be longer than watch.interval (%s), not %s", c.Watch.Interval, c.Watch.Sweep))
	}
}

// also adds a problem, unless the path has one.
func (p *parser) also(path, text string) {
	if !p.told(path) {
		p.add(path, text)
	}
}

func (p *parser) positive(path string, d time.Duration) {
	if d <= 0 {
		p.also(path, "must be longer than 0s")
	}
}

func (p *parser) address(path, address string) {
	const ports = 1 << 16
	_, port, err := net.SplitHostPort(address)
	if n, notNumber := strconv.Atoi(port); err != nil || notNumber != nil || n < 0 || n >= ports {
		p.also(path, "must be host:port or :port")
	}
}

func (p *parser) tls(t TLS) {
	switch {
	case t.Cert != "" && t.Key == "":
		p.also("server.tls.key", "required with server.tls.cert")
	case t.Cert == "" && t.Key != "":
		p.also("server.tls.cert", "required with server.tls.key")
	case t.Cert == "" && t.ClientCA != "":
		p.also("server.tls.client_ca", "needs server.tls.cert and server.tls.key")
	}
}

// hooks checks the listener for services, and that a key of their calls is of some use.
func (p *parser) hooks(c *Config) {
	h := c.Server.Hooks
	if h == nil {
		for name, connection := range c.Connections {
			if user, ok := connection.Config.(notifier.HookUser); ok && user.HookKey() != "" {
				p.also(strict.Key("connections", name)+"."+connection.Kind+"."+user.HookKey(), "needs server.hooks")
			}
		}
		return
	}
	p.address("server.hooks.listen", h.Listen)
	_, port, _ := net.SplitHostPort(h.Listen)
	if (h.Listen == c.Server.Listen || h.Listen == c.Server.HTTP) && port != "0" {
		p.also("server.hooks.listen", "must not be the address of server.listen or server.http")
	}
	switch {
	case h.TLS.Cert != "" && h.TLS.Key == "":
		p.also("server.hooks.tls.key", "required with server.hooks.tls.cert")
	case h.TLS.Cert == "" && h.TLS.Key != "":
		p.also("server.hooks.tls.cert", "required with server.hooks.tls.key")
	}
}

// engine checks what one engine alone has. A store.url that is a reference is judged once it is read.
func (p *parser) engine(c *Config) {
	if p.told("store.url") {
		return
	}
	var problems []notifier.Problem
	switch {
	case c.Store.URL.onlySQLite():
		problems = c.NeedsPostgres()
	case c.Store.URL.onlyPostgres():
		problems = c.NeedsSQLite()
	}
	for _, problem := range problems {
		p.also(problem.Path, problem.Text)
	}
}

// NeedsPostgres are the problems of a config whose store turns out to be on SQLite.
func (c *Config) NeedsPostgres() (problems []notifier.Problem) {
	const text = "needs a store.url of Postgres"
	if c.Server.RiverUI != nil {
		problems = append(problems, notifier.Problem{Path: "server.river_ui", Text: text})
	}
	if !c.Store.LockURL.IsZero() {
		problems = append(problems, notifier.Problem{Path: "store.lock_url", Text: text})
	}
	return problems
}

// longestTimeout is what is left for a send of the 30 s that a step of a delivery has on Postgres, after
// a look-up, a wait and the time to record what it came to.
const longestTimeout = 20 * time.Second

// NeedsSQLite are the problems of a config whose store turns out to be on Postgres.
func (c *Config) NeedsSQLite() (problems []notifier.Problem) {
	if c.Delivery.Timeout > longestTimeout {
		problems = append(problems, notifier.Problem{Path: "delivery.timeout", Text: fmt.Sprintf(
			"must be at most %s with a store.url of Postgres, which gives a step of a delivery no more time, not %s", longestTimeout, c.Delivery.Timeout)})
	}
	return problems
}

func (p *parser) console(raw string) {
	if raw == "" {
		return
	}
	if u, err := url.Parse(raw); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		p.also("flyte.console_url", "must be an http or https URL")
	}
}
