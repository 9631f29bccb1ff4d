// Package certs makes TLS of certificate files that are renewed while a server runs.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Files are those of a server's certificate, in PEM. With ClientCA a client must show a certificate of that authority.
type Files struct {
	Cert     string
	Key      string
	ClientCA string
}

// Config reads the files now, and again at each handshake, of which there are few. While renewed files cannot be read
// (half of a pair, say) what was read before them stays, and the log says so, with the name of the listener. protocols
// are those to offer, as in tls.Config's NextProtos. Its error is that of files which cannot be used now.
func (f Files) Config(listener string, log *slog.Logger, protocols ...string) (*tls.Config, error) {
	r := &reloader{files: f, protocols: protocols, log: log.With("listener", listener), tell: rate.Sometimes{First: 1, Interval: time.Minute}}
	if _, err := r.current(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: r.current}, nil
}

// reloader holds the config made of the files.
type reloader struct {
	files     Files
	protocols []string
	log       *slog.Logger
	tell      rate.Sometimes // strangers, who make handshakes as they like, must not fill the log

	mu     sync.Mutex
	config *tls.Config
	of     pems // what config was made of
}

// pems are the contents of the files. They tell a renewal, which times and sizes need not: two
// certificates of one size may be written within one tick of a file system's clock.
type pems struct {
	cert, key, clientCA []byte
}

// current returns the config of the files as they are.
func (r *reloader) current(*tls.ClientHelloInfo) (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.refresh()
	if err == nil || r.config == nil {
		return r.config, err
	}
	r.tell.Do(func() {
		r.log.Error("renewed certificate cannot be used; the one before it stays", "error", err)
	})
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
	config.NextProtos = r.protocols
	r.config, r.of = config, now
	return nil
}

func (f Files) read() (p pems, err error) {
	for _, one := range []struct {
		path string
		into *[]byte
	}{{f.Cert, &p.cert}, {f.Key, &p.key}, {f.ClientCA, &p.clientCA}} {
		if one.path == "" {
			continue
		}
		if *one.into, err = os.ReadFile(one.path); err != nil {
			return p, fmt.Errorf("read certificate: %w", err)
		}
	}
	return p, nil
}

func (f Files) parse(p pems) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if f.ClientCA == "" {
		return c, nil
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(p.clientCA) {
		return nil, fmt.Errorf("load client CA: %s holds no certificate", f.ClientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}
