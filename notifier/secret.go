package notifier

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Secret is a reference to a secret, never the secret itself: exactly one of an environment
// variable's name and a file's path. Printing it shows the reference.
type Secret struct {
	Env  string `json:"env,omitempty" doc:"name of an environment variable that holds the secret"`
	File string `json:"file,omitempty" doc:"path of a file that holds the secret"`
}

// IsZero says whether no reference is given.
func (s Secret) IsZero() bool { return s == Secret{} }

// Value reads the secret, without surrounding white space. The error names the reference.
func (s Secret) Value() (string, error) {
	raw := os.Getenv(s.Env)
	if s.File != "" {
		content, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		raw = string(content)
	}
	if v := strings.TrimSpace(raw); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("secret %s is empty or not set", s)
}

// Validate returns what is wrong with the reference itself; it does not read it.
func (s Secret) Validate() error {
	if (s.Env == "") == (s.File == "") {
		return errors.New("must be exactly one of {env: NAME} and {file: PATH}")
	}
	return nil
}

// String names the reference.
func (s Secret) String() string {
	if s.File != "" {
		return "file:" + s.File
	}
	return "env:" + s.Env
}
