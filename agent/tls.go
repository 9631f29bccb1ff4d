package agent

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
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

type reloader struct {
	files TLS
	log   *slog.Logger

	mu     sync.Mutex
	read   time.Time // the newest file's time when they were read
	config *tls.Config
}

// current returns the config of the files as they are. While a renewed file cannot be read (half
// of a pair, say) the config before it stays.
func (r *reloader) current() (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest, err := r.newest()
	if err == nil && r.config != nil && newest.Equal(r.read) {
		return r.config, nil
	}
	var loaded *tls.Config
	if err == nil {
		loaded, err = r.files.load()
	}
	if err != nil {
		if r.config == nil {
			return nil, err
		}
		r.log.Error("renewed certificate cannot be used; the one before it stays", "error", err)
		return r.config, nil
	}
	r.config, r.read = loaded, newest
	return loaded, nil
}

func (r *reloader) newest() (t time.Time, err error) {
	for _, f := range []string{r.files.Cert, r.files.Key, r.files.ClientCA} {
		if f == "" {
			continue
		}
		info, err := os.Stat(f)
		if err != nil {
			return t, fmt.Errorf("read certificate: %w", err)
		}
		if info.ModTime().After(t) {
			t = info.ModTime()
		}
	}
	return t, nil
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
