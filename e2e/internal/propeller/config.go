package propeller

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/template"
	"time"
)

//go:embed config.yaml.tmpl
var configTemplate string

// Plugin is one of FlytePropeller's two plugins that speak the agents' protocol.
type Plugin string

// The two plugins. They differ in their config's words and in their calls' default time-out.
const (
	AgentService     Plugin = "agent-service"     // 3 s
	ConnectorService Plugin = "connector-service" // 10 s
)

// Config is what a test decides about its FlytePropeller. Addresses are host:port.
type Config struct {
	Dir     string // for its files: config, storage
	Kube    string // URL of the Kubernetes API
	Admin   string
	Agent   string   // the agent under test
	Jobs    string   // the agent for task type e2e_job
	Plugins []Plugin // those that reach the agent; default AgentService
	// DefaultFor chooses a plugin by task type, which FlytePropeller demands where both reach it.
	DefaultFor map[string]Plugin
	// ForceAsync lists task types that agentForTaskTypes sends to the agent, as older set-ups do: that
	// takes the asynchronous API, whatever the agent offers.
	ForceAsync []string
	// Patience makes calls wait so long for an agent that is down, as our README recommends; zero
	// leaves the plugin's defaults, where such a call fails at once.
	Patience time.Duration
}

// AgentService says whether this plugin reaches the agent.
func (c Config) AgentService() bool {
	return len(c.Plugins) == 0 || slices.Contains(c.Plugins, AgentService)
}

// ConnectorService says whether this plugin reaches the agent.
func (c Config) ConnectorService() bool { return slices.Contains(c.Plugins, ConnectorService) }

// ServiceConfig is the gRPC service config for calls to the agent.
func (c Config) ServiceConfig() string {
	if c.Patience == 0 {
		return `{"loadBalancingConfig":[{"round_robin":{}}]}`
	}
	return `{"loadBalancingConfig":[{"round_robin":{}}],"methodConfig":[{"name":[{}],"waitForReady":true}]}`
}

// KubeConfig is the path of the file that tells FlytePropeller where the Kubernetes API is.
func (c Config) KubeConfig() string { return filepath.Join(c.Dir, "kubeconfig.yaml") }

// StorageDir is where tasks' inputs and outputs are kept.
func (c Config) StorageDir() string { return filepath.Join(c.Dir, "storage") }

const kubeConfig = `apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: %q}}]
contexts: [{name: e2e, context: {cluster: e2e, user: e2e}}]
users: [{name: e2e, user: {}}]
current-context: e2e
`

// write writes all files and returns the path of the config.
func (c Config) write() (string, error) {
	if err := os.MkdirAll(c.StorageDir(), 0o750); err != nil {
		return "", fmt.Errorf("make the storage: %w", err)
	}
	if err := os.WriteFile(c.KubeConfig(), fmt.Appendf(nil, kubeConfig, c.Kube), 0o600); err != nil {
		return "", fmt.Errorf("write the kubeconfig: %w", err)
	}
	t, err := template.New("config").Parse(configTemplate)
	if err != nil {
		return "", fmt.Errorf("parse the config: %w", err)
	}
	path := filepath.Join(c.Dir, "propeller.yaml")
	f, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("write the config: %w", err)
	}
	defer f.Close()
	if err := t.Execute(f, c); err != nil {
		return "", fmt.Errorf("write the config: %w", err)
	}
	return path, nil
}
