package agent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/flyte-notifier/flyte-notifier/agent"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign signs with the authority's key, or with the new one itself while there is none.
func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(a.t, err)
	template.SerialNumber, template.NotBefore, template.NotAfter = serial, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(raw)
	require.NoError(a.t, err)
	return cert, key
}

// pair is a certificate for localhost in PEM, named so that a test knows it again.
func (a *authority) pair(name string) (cert, key []byte) {
	c, k := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	raw, err := x509.MarshalECPrivateKey(k)
	require.NoError(a.t, err)
	return certPEM(c), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// secured is a server with TLS on loopback.
type secured struct {
	t     *testing.T
	files agent.TLS
	addr  string
	log   *lines
}

func serveTLS(t *testing.T, a *authority, mutual bool) *secured {
	dir := t.TempDir()
	s := &secured{t: t, log: &lines{}, files: agent.TLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}}
	cert, key := a.pair("first")
	s.write(s.files.Cert, cert)
	s.write(s.files.Key, key)
	if mutual {
		s.files.ClientCA = filepath.Join(dir, "ca.crt")
		s.write(s.files.ClientCA, certPEM(a.cert))
	}
	w := &world{t: t, log: s.log, store: &faulty{}}
	srv, err := agent.NewServer(w.service(), s.files, w.logger())
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s
}

// write replaces a file as a renewal does: at once.
func (s *secured) write(path string, content []byte) {
	require.NoError(s.t, os.WriteFile(path+".new", content, 0o600))
	require.NoError(s.t, os.Rename(path+".new", path))
}

// call makes a new connection and returns the name of the certificate that the server showed.
func (s *secured) call(creds credentials.TransportCredentials) (string, error) {
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(creds))
	require.NoError(s.t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return "", err
	}
	raw, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	require.NoError(s.t, err)
	defer raw.Close()
	return raw.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func (a *authority) client(certs ...tls.Certificate) credentials.TransportCredentials {
	return credentials.NewTLS(&tls.Config{RootCAs: a.pool(), ServerName: "localhost", Certificates: certs})
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := serveTLS(t, a, false)
	name, err := s.call(a.client())
	require.NoError(t, err)
	require.Equal(t, "first", name)
	_, err = s.call(insecure.NewCredentials())
	require.Error(t, err, "TLS only")
	_, err = s.call(newAuthority(t).client())
	require.Error(t, err)
	_, err = tls.Dial("tcp", s.addr, &tls.Config{
		RootCAs: a.pool(), ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
	})
	require.ErrorContains(t, err, "protocol version not supported")
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	s := serveTLS(t, a, true)
	known := keyPair(t, a, "client")
	_, err := s.call(a.client(known))
	require.NoError(t, err)
	_, err = s.call(a.client())
	require.Error(t, err, "no certificate")
	_, err = s.call(a.client(keyPair(t, stranger, "client")))
	require.Error(t, err, "another authority's")

	s.write(s.files.ClientCA, certPEM(stranger.cert))
	_, err = s.call(a.client(known))
	require.Error(t, err, "the authority was replaced")
	_, err = s.call(a.client(keyPair(t, stranger, "client")))
	require.NoError(t, err)
}

func keyPair(t *testing.T, a *authority, name string) tls.Certificate {
	cert, key := a.pair(name)
	pair, err := tls.X509KeyPair(cert, key)
	require.NoError(t, err)
	return pair
}

func TestRenewedCertificateIsUsed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := serveTLS(t, a, false)
	is := func(want string) {
		t.Helper()
		name, err := s.call(a.client())
		require.NoError(t, err)
		require.Equal(t, want, name)
	}
	is("first")
	cert, key := a.pair("second")
	s.write(s.files.Cert, cert)
	is("first") // half of a pair
	require.Contains(t, s.log.String(), "renewed certificate cannot be used")
	s.write(s.files.Key, key)
	is("second")

	cert, key = a.pair("third") // restored from a backup: older than what it replaces
	s.write(s.files.Key, key)
	s.write(s.files.Cert, cert)
	past := time.Now().Add(-24 * time.Hour)
	require.NoError(t, os.Chtimes(s.files.Cert, past, past))
	require.NoError(t, os.Chtimes(s.files.Key, past, past))
	is("third")

	before, err := os.Stat(s.files.Cert) // a clock that did not tick between two renewals
	require.NoError(t, err)
	for cert, key = a.pair("fifth"); len(cert) != int(before.Size()); {
		cert, key = a.pair("fifth") // signatures differ in length
	}
	s.write(s.files.Key, key)
	s.write(s.files.Cert, cert)
	require.NoError(t, os.Chtimes(s.files.Cert, past, past))
	require.NoError(t, os.Chtimes(s.files.Key, past, past))
	is("fifth")

	require.NoError(t, os.Remove(s.files.Cert))
	is("fifth")
	require.NoError(t, os.WriteFile(s.files.Cert, cert[:len(cert)/2], 0o600))
	is("fifth")
}

func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	path := func(name string, content []byte) string {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, content, 0o600))
		return p
	}
	cert, key := a.pair("one")
	_, other := a.pair("two")
	crt, good, wrong, junk := path("crt", cert), path("key", key), path("other", other), path("junk", []byte("junk"))
	for want, files := range map[string]agent.TLS{
		"read certificate: open " + dir + "/gone":                                               {Cert: dir + "/gone", Key: good},
		"load certificate " + crt + " with key " + wrong + ": tls: private key does not match":  {Cert: crt, Key: wrong},
		"load certificate " + junk + " with key " + good + ": tls: failed to find any PEM data": {Cert: junk, Key: good},
		"load client CA: " + junk + " holds no certificate":                                     {Cert: crt, Key: good, ClientCA: junk},
		"read certificate: open " + dir + "/none: no such file":                                 {Cert: crt, Key: good, ClientCA: dir + "/none"},
		"read certificate: read " + dir + ": is a directory":                                    {Cert: dir, Key: good},
	} {
		w := &world{t: t, log: &lines{}, store: &faulty{}}
		_, err := agent.NewServer(w.service(), files, discard())
		require.ErrorContains(t, err, want)
	}
}
