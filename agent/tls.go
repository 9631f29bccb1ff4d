package agent

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// TLS names the server's certificate files, in PEM. With ClientCA a client must show a
// certificate of that authority: FlytePropeller offers none, so mutual TLS comes from a mesh.
type TLS struct {
	Cert     string
	Key      string
	ClientCA string
}

// config reads the files now, and again at a handshake after any of them changed.
func (t TLS) config(log *slog.Logger) (*tls.Config, error) {
	r := &reloader{files: t, log: log}
	if _, err := r.current(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return r.current() },
	}, nil
}

// reloader holds the config made of the files.
type reloader struct {
	files TLS
	log   *slog.Logger

	mu     sync.Mutex
	config *tls.Config
	of     []stamp // the files that config was made of
}

// stamp tells one content of a file from the next.
type stamp struct {
	modified int64 // nanoseconds
	size     int64
}

// current returns the config of the files as they are. While a renewed file cannot be read (half
// of a pair, say) the config before it stays.
func (r *reloader) current() (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.refresh()
	if err == nil || r.config == nil {
		return r.config, err
	}
	r.log.Error("renewed certificate cannot be used; the one before it stays", "error", err)
	return r.config, nil
}

func (r *reloader) refresh() error {
	now, err := r.files.stamps()
	if err != nil || r.config != nil && slices.Equal(now, r.of) {
		return err
	}
	config, err := r.files.load()
	if err != nil {
		return err
	}
	r.config, r.of = config, now
	return nil
}

func (t TLS) stamps() ([]stamp, error) {
	var all []stamp
	for _, f := range []string{t.Cert, t.Key, t.ClientCA} {
		if f == "" {
			continue
		}
		info, err := os.Stat(f)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		all = append(all, stamp{info.ModTime().UnixNano(), info.Size()})
	}
	return all, nil
}

func (t TLS) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
	if t.ClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("load client CA: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load client CA: %s holds no certificate", t.ClientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}
