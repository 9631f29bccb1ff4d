package agent

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"reflect"
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
	of     pems // what config was made of
}

// pems are the contents of the files. They tell a renewal, which times and sizes need not: two
// certificates of one size may be written within one tick of a file system's clock.
type pems struct {
	cert, key, clientCA []byte
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
	now, err := r.files.read()
	if err != nil || r.config != nil && reflect.DeepEqual(now, r.of) {
		return err
	}
	config, err := r.files.parse(now)
	if err != nil {
		return err
	}
	r.config, r.of = config, now
	return nil
}

func (t TLS) read() (p pems, err error) {
	for _, f := range []struct {
		path string
		into *[]byte
	}{{t.Cert, &p.cert}, {t.Key, &p.key}, {t.ClientCA, &p.clientCA}} {
		if f.path == "" {
			continue
		}
		if *f.into, err = os.ReadFile(f.path); err != nil {
			return p, fmt.Errorf("read certificate: %w", err)
		}
	}
	return p, nil
}

func (t TLS) parse(p pems) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", t.Cert, t.Key, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
	if t.ClientCA == "" {
		return c, nil
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(p.clientCA) {
		return nil, fmt.Errorf("load client CA: %s holds no certificate", t.ClientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}
