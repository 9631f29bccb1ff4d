package agent

import "github.com/flyte-notifier/flyte-notifier/internal/certs"

// TLS names the server's certificate files. FlytePropeller offers no certificate for ClientCA, so mutual TLS comes from
// a mesh.
type TLS certs.Files
