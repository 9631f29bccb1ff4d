package agentproc

import (
	"bytes"
	"fmt"
	"iter"
	"os/exec"
	"strings"
)

// Run runs one of the binary's commands on the agent's config and returns what it printed to
// standard output.
func (a *Agent) Run(command string, args ...string) (string, error) {
	cmd := a.command(command, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	fmt.Fprintf(a.Answers, "%s%s", out.Bytes(), errs.Bytes())
	if err != nil {
		return out.String(), fmt.Errorf("run %s: %w: %s", command, err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Validate runs the binary's command of that name on a file. Secrets that the file refers to need
// not be there.
func Validate(binary, path string) (string, error) {
	out, err := exec.Command(binary, "validate", path).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("validate %s: %w", path, err)
	}
	return string(out), nil
}

// lines are the lines of the text that are not blank.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	}
}
