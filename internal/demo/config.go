package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// config writes an ordinary config file, and its secrets beside it, into a folder of its own.
func (w *world) config() (path string, cleanup func(), err error) {
	dir, err := os.MkdirTemp("", "flyte-notifier-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder: %w", err)
	}
	cleanup = func() { _ = os.RemoveAll(dir) } // a leftover in the temporary folder harms nobody
	for name, content := range map[string]string{
		"slack": slacksim.DefaultToken, "sendgrid": mailKey, "config.yaml": w.yaml(dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			cleanup()
			return "", nil, fmt.Errorf("write the config: %w", err)
		}
	}
	return filepath.Join(dir, "config.yaml"), cleanup, nil
}

func (w *world) yaml(dir string) string {
	return strings.NewReplacer(
		"DIR", dir, "ADMIN", w.endpoint, "SLACK", w.slack.URL(), "SENDGRID", w.mail.URL(),
	).Replace(`
server: {listen: "127.0.0.1:0", http: "127.0.0.1:0"}
admin:  {endpoint: "ADMIN", insecure: true}
flyte:  {console_url: "https://flyte.example.org/console"}
store:  {url: "sqlite://DIR/notifier.db"}
watch:  {interval: 200ms}
connections:
  team-slack: {slack: {token: {file: "DIR/slack"}, api_url: "SLACK"}}
  mail: {sendgrid: {api_key: {file: "DIR/sendgrid"}, from: "Flyte <flyte@example.org>", host: "SENDGRID"}}
defaults: {slack: team-slack, sendgrid: mail}
`)
}
