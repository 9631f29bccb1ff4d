// Package propeller runs the real FlytePropeller controller as a child process, which is the test
// binary itself, executed again. It can be killed and started again on the same cluster.
package propeller

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/proc"
)

// childVariable is set in the environment of a process that shall be FlytePropeller.
const childVariable = "E2E_BE_PROPELLER"

// IsChild says whether this process was started to be FlytePropeller.
func IsChild() bool { return os.Getenv(childVariable) != "" }

// Propeller is a FlytePropeller for one cluster. Its log holds what all its processes printed.
type Propeller struct {
	config  Config
	path    string
	process *proc.Process
	Log     *proc.Log
}

// New writes the config of a FlytePropeller that is not yet running.
func New(c Config) (*Propeller, error) {
	path, err := c.write()
	if err != nil {
		return nil, err
	}
	return &Propeller{config: c, path: path, Log: &proc.Log{}}, nil
}

// Start starts a process. The one before must have ended.
func (p *Propeller) Start() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the test binary: %w", err)
	}
	cmd := exec.Command(self, "--config", p.path)
	cmd.Dir = p.config.Dir
	cmd.Env = append(clean(os.Environ()), childVariable+"=1", "HOME="+p.config.Dir)
	p.process, err = proc.Start(cmd, p.Log)
	return err
}

// clean takes away what would reach into the controller: proxies, and coverage's directory.
func clean(env []string) []string {
	var kept []string
	for _, e := range env {
		name := strings.ToLower(e[:strings.IndexByte(e+"=", '=')])
		if !strings.HasSuffix(name, "_proxy") && name != "gocoverdir" {
			kept = append(kept, e)
		}
	}
	return kept
}

// Kill ends the process as kill -9 does. A process that is not there is no error.
func (p *Propeller) Kill() error {
	if p.process == nil {
		return nil
	}
	return p.process.Kill()
}

// Ended is closed when the process has ended, by itself or killed.
func (p *Propeller) Ended() <-chan struct{} { return p.process.Done() }

// PollErrors returns the log's lines about GetTask calls that failed, whoever was at fault.
func (p *Propeller) PollErrors() []string { return p.Log.Lines("Error retrieving resource") }
