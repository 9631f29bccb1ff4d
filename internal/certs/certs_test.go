package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/certs"
)

// issue writes a certificate of this name that signs itself.
func issue(t *testing.T, f certs.Files, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), Subject: pkix.Name{CommonName: name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600))
}

// shown is the name of the certificate that a caller would be shown now.
func shown(t *testing.T, c *tls.Config) string {
	t.Helper()
	now, err := c.GetConfigForClient(&tls.ClientHelloInfo{})
	require.NoError(t, err)
	require.Equal(t, uint16(tls.VersionTLS12), now.MinVersion)
	require.Equal(t, []string{"h2"}, now.NextProtos)
	return now.Certificates[0].Leaf.Subject.CommonName
}

func TestFilesThatAreRenewed(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := certs.Files{Cert: filepath.Join(t.TempDir(), "c"), Key: filepath.Join(t.TempDir(), "k")}
	_, err := f.Config("server.listen", slog.New(slog.NewTextHandler(&log, nil)), "h2")
	require.ErrorContains(t, err, "read certificate: open "+f.Cert)
	issue(t, f, "first")
	c, err := f.Config("server.listen", slog.New(slog.NewTextHandler(&log, nil)), "h2")
	require.NoError(t, err)
	require.Equal(t, "first", shown(t, c))
	key, err := os.ReadFile(f.Key)
	require.NoError(t, err)
	issue(t, f, "second")
	require.Equal(t, "second", shown(t, c))
	require.Empty(t, log.String())
	require.NoError(t, os.WriteFile(f.Key, key, 0o600))
	for range 100 {
		require.Equal(t, "second", shown(t, c), "half of a pair")
	}
	require.Equal(t, 1, strings.Count(log.String(), "renewed certificate cannot be used"), "strangers do not fill the log")
	require.Contains(t, log.String(), "listener=server.listen")
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	f := certs.Files{Cert: filepath.Join(t.TempDir(), "c"), Key: filepath.Join(t.TempDir(), "k")}
	issue(t, f, "one")
	f.ClientCA = f.Key
	_, err := f.Config("server.listen", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "load client CA: "+f.Key+" holds no certificate")
	f.ClientCA = f.Cert
	c, err := f.Config("server.listen", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	now, err := c.GetConfigForClient(&tls.ClientHelloInfo{})
	require.NoError(t, err)
	require.Equal(t, tls.RequireAndVerifyClientCert, now.ClientAuth)
	f.Key = f.Cert
	_, err = f.Config("server.listen", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "load certificate "+f.Cert+" with key "+f.Cert)
}
