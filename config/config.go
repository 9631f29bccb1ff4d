// Package config is the server's config file: read strictly, overridden from the environment,
// with every problem told at once with its path.
//
// It holds references to secrets and never a secret; only Build and the methods of its URLs read
// them, so that a config can be validated where its secrets are not.
package config

import (
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Config is what the file says, defaults filled in. Parse and Load make it.
type Config struct {
	Server      Server
	Admin       flyte.AdminConfig
	Flyte       Flyte
	Store       Store
	Delivery    Delivery
	Retention   Retention
	Watch       Watch
	Connections map[string]Connection // by name
	Defaults    map[string]string     // kind of notifier → name of the connection meant where a task names none

	Subscriptions []spec.Subscription
	Ops           []spec.Step // whom to tell of dead deliveries; none: nobody
	// Broken are the rules of subscriptions that cannot be compiled: they are left out, all others run.
	Broken []notifier.Problem
}

// Server is where the server listens.
type Server struct {
	Listen string `json:"listen" default:":8000" doc:"address of the gRPC API that FlytePropeller calls"`
	HTTP   string `json:"http" default:":8080" doc:"address of /healthz, /readyz, /metrics and /river"`
	TLS    TLS    `json:"tls" doc:"TLS of the gRPC API; default: none"`

	// RiverUI is nil where the page is off.
	RiverUI *RiverUI `json:"river_ui" doc:"River's own page about the queues of deliveries, at /river of server.http; needs Postgres; default: off"`

	// Hooks is nil where no service may call.
	Hooks *Hooks `json:"hooks" doc:"a listener of its own for services that call to tell what became of messages, at /hooks/<notifier>/<connection>; default: none"`

	Pods any `json:"pods" unsupported:"true"`
}

// Hooks is where services call.
type Hooks struct {
	Listen string   `json:"listen" required:"true" doc:"address of the listener; the internet must reach it, through a proxy perhaps"`
	TLS    HooksTLS `json:"tls" doc:"TLS of it; default: none, for a proxy that has it"`
}

// HooksTLS names files in PEM, which come together.
type HooksTLS struct {
	Cert string `json:"cert" doc:"file of the certificate chain, PEM"`
	Key  string `json:"key" doc:"file of the private key, PEM"`
}

// RiverUI is who may see River's page, by HTTP's basic authentication.
type RiverUI struct {
	User     string          `json:"user" required:"true" doc:"name to sign in with"`
	Password notifier.Secret `json:"password" required:"true" doc:"reference to the password: {env: NAME} or {file: PATH}"`
}

// Validate returns what is wrong with the user: basic authentication ends a name at a colon.
func (r *RiverUI) Validate() []notifier.Problem {
	if r.User == "" || strings.Contains(r.User, ":") {
		return []notifier.Problem{{Path: "user", Text: "must be a name without ':'"}}
	}
	return nil
}

// TLS names files in PEM. Cert and Key come together; without them there is no TLS.
type TLS struct {
	Cert     string `json:"cert" doc:"file of the certificate chain, PEM"`
	Key      string `json:"key" doc:"file of the private key, PEM"`
	ClientCA string `json:"client_ca" doc:"file of the authorities of whom clients must show a certificate, PEM; default: none is asked for"`
}

// Flyte is what is known of the Flyte installation besides its API.
type Flyte struct {
	ConsoleURL string `json:"console_url" doc:"base of links to the console: https://flyte.example.org/console"`
}

// Store is where watches and deliveries are kept.
type Store struct {
	URL StoreURL `json:"url" doc:"sqlite:///absolute/path, sqlite://relative/path or postgres://user:password@host:5432/database; or a reference {env: NAME} or {file: PATH} to it; default sqlite://flyte-notifier.db"`

	LockURL PostgresURL `json:"lock_url" doc:"URL of the same database for the one connection that holds locks, where store.url leads through a pooler; or a reference to it; default: store.url"`
}

// Delivery bounds how long a message is tried.
type Delivery struct {
	MaxAge      time.Duration `json:"max_age" default:"24h" doc:"a delivery that is older is dead"`
	MaxAttempts int           `json:"max_attempts" default:"0" min:"0" doc:"a delivery that was tried so often is dead; 0: no limit"`
	Timeout     time.Duration `json:"timeout" default:"15s" doc:"time-out of one attempt; at most 20s on Postgres"`
}

// Retention says how long what is done stays in the store, and how much of it.
type Retention struct {
	Watches    time.Duration `json:"watches" default:"168h" doc:"from the end of a watch"`
	Deliveries time.Duration `json:"deliveries" default:"720h" doc:"from the settling of a delivery"`
	Most       int           `json:"most" default:"0" min:"0" doc:"so many settled deliveries are kept, the newest, and all of the last hour; 0: no limit"`
}

// Watch says how executions are followed.
type Watch struct {
	Interval          time.Duration `json:"interval" default:"2s" doc:"how often flyteadmin is asked for changes"`
	Sweep             time.Duration `json:"sweep" default:"5m" doc:"how often every watch is looked at, changed or not"`
	Overlap           time.Duration `json:"overlap" default:"15s" doc:"how far each question reaches back behind the last one"`
	NodeInterval      time.Duration `json:"node_interval" default:"10s" doc:"how often a watched node is looked at"`
	NodeCalls         int           `json:"node_calls" default:"50" min:"1" doc:"calls a second for watched nodes, at most"`
	Discovery         time.Duration `json:"discovery" default:"30s" doc:"how often a scope that is quiet is asked for new executions, at most; one that is busy is asked at each interval"`
	AllowCrossProject bool          `json:"allow_cross_project" default:"false" doc:"tasks may watch executions of other projects"`
}

// Connection is a notifier with references to its credentials.
type Connection struct {
	Kind   string
	Config any // as the notifier's manifest makes it
	Allow  notifier.Allow
	Rate   notifier.Rate // the manifest's where the file is silent
	Quiet  *spec.Quiet   // hours in which rules do not use it; nil: none
}

// document is the file as it is written.
type document struct {
	Server      Server            `json:"server" doc:"where the server listens"`
	Admin       flyte.AdminConfig `json:"admin" doc:"how to reach flyteadmin; flyteidl's own admin section, as FlytePropeller has it"`
	Flyte       Flyte             `json:"flyte" doc:"the Flyte installation"`
	Store       Store             `json:"store" doc:"where watches and deliveries are kept"`
	Delivery    Delivery          `json:"delivery" doc:"how long a message is tried"`
	Retention   Retention         `json:"retention" doc:"how long what is done stays in the store, and how much of it; what was told once stays told"`
	Watch       Watch             `json:"watch" doc:"how executions are followed"`
	Connections map[string]any    `json:"connections" doc:"notifiers with references to their credentials, by the names that tasks use"`
	Defaults    map[string]string `json:"defaults" doc:"the connection meant where a task names none, by notifier"`

	Subscriptions any `json:"subscriptions" doc:"rules for every execution that a pattern matches"`

	Ops any `json:"ops" doc:"whom to tell of messages that could not be delivered: destinations, each with exactly one notifier; at most one message a minute"`
}

// allowDocument and rateDocument are a connection's keys beside its notifier.
type allowDocument struct {
	Scopes       []string `json:"scopes" min:"1" doc:"globs of project/domain whose tasks may use the connection; default: all"`
	Destinations []string `json:"destinations" min:"1" doc:"globs of destinations that may be sent to; default: all"`
}

type rateDocument struct {
	PerSecond      *float64 `json:"per_second" min:"0" doc:"messages a second to each destination; 0: no limit; default: the service's own limit"`
	Burst          *int     `json:"burst" min:"1" doc:"messages that may go at once to a destination that was quiet"`
	TotalPerSecond *float64 `json:"total_per_second" min:"0" doc:"messages a second of the whole connection; 0: no limit"`
}
