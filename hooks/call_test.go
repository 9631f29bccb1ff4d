package hooks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/hooks"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const path = "/hooks/sendgrid/mail"

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.Reload(w.connections("mail", "other", "keyless"))
	w.send("d1", "mail")
	body := "[" + event("1", "d1", "bounce") + "]"
	unsigned := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	changed := w.request(path, "mail", body)
	changed.Body = io.NopCloser(strings.NewReader(strings.Replace(body, "ada", "eve", 1)))
	huge := strings.Repeat(" ", 1<<20) + body
	chunked := w.request(path, "mail", huge)
	chunked.ContentLength = -1
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		result  string
	}{
		"unsigned":             {unsigned, http.StatusForbidden, "forged"},
		"changed on the way":   {changed, http.StatusForbidden, "forged"},
		"another's key":        {w.request(path, "other", body), http.StatusForbidden, "forged"},
		"old":                  {w.signedAt(time.Now().Add(-6*time.Minute), path, "mail", body), http.StatusForbidden, "stale"},
		"of tomorrow":          {w.signedAt(time.Now().Add(6*time.Minute), path, "mail", body), http.StatusForbidden, "stale"},
		"no such connection":   {w.request("/hooks/sendgrid/none", "mail", body), http.StatusNotFound, "unknown"},
		"a long name":          {w.request("/hooks/sendgrid/"+strings.Repeat("x", 999), "mail", body), http.StatusNotFound, "unknown"},
		"no such notifier":     {w.request("/hooks/slack/mail", "mail", body), http.StatusNotFound, "unknown"},
		"one that takes none":  {w.request("/hooks/stdout/stdout", "mail", body), http.StatusNotFound, "unknown"},
		"no key":               {w.request("/hooks/sendgrid/keyless", "mail", body), http.StatusNotFound, "unknown"},
		"huge":                 {w.request(path, "mail", huge), http.StatusRequestEntityTooLarge, "too_large"},
		"huge, without length": {chunked, http.StatusRequestEntityTooLarge, "too_large"},
		"not JSON":             {w.request(path, "mail", "hello"), http.StatusBadRequest, "unreadable"},
	} {
		before := w.count("requests_total", "result", c.result)
		answer := w.do(c.request)
		require.Equal(t, c.status, answer.Code, name)
		require.InDelta(t, before+1, w.count("requests_total", "result", c.result), 0, name)
		require.Less(t, answer.Body.Len(), 20, "strangers are told nothing")
	}
	require.Equal(t, http.StatusMethodNotAllowed, w.do(httptest.NewRequest(http.MethodGet, path, nil)).Code)
	require.Equal(t, http.StatusNotFound, w.do(httptest.NewRequest(http.MethodPost, "/metrics", nil)).Code)
	require.Empty(t, w.timeline())
	require.Equal(t, 1, strings.Count(w.log.String(), "result=forged"), "others like it are not logged")
}

func TestAReloadedKeyCountsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	old := w.request(path, "mail", "["+event("1", "d1", "open")+"]")
	w.server.Reload(w.connections("mail"))
	require.Equal(t, http.StatusForbidden, w.do(old).Code)
	require.Equal(t, http.StatusOK, w.call(event("1", "d1", "open")))
	w.server.Reload(w.connections())
	require.Equal(t, http.StatusNotFound, w.call(event("2", "d1", "open")))
}

// serve runs the server on loopback until the test ends, or stop is called.
func (w *world) serve(c hooks.TLS) (address string, stop func() error) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(ctx, l, c) }()
	var ended error
	stopped := false
	stop = func() error {
		if cancel(); !stopped {
			ended, stopped = <-done, true
		}
		return ended
	}
	w.t.Cleanup(func() { require.NoError(w.t, stop()) })
	return l.Addr().String(), stop
}

// over turns a call for the handler into one for the network.
func (w *world) over(url string, r *http.Request) *http.Request {
	w.t.Helper()
	body, err := io.ReadAll(r.Body)
	require.NoError(w.t, err)
	out, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, url+r.URL.Path, strings.NewReader(string(body)))
	require.NoError(w.t, err)
	out.Header = r.Header
	return out
}

func TestACallUnderWayIsRecordedBeforeTheStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	address, stop := w.serve(hooks.TLS{})
	writing, goOn := make(chan struct{}), make(chan struct{})
	w.store.failing(func(store.Change) error {
		close(writing)
		<-goOn
		return nil
	})
	status := make(chan int, 1)
	r := w.over("http://"+address, w.request(path, "mail", "["+event("1", "d1", "open")+"]"))
	go func() {
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			status <- 0
			return
		}
		answer.Body.Close()
		status <- answer.StatusCode
	}()
	<-writing
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	require.Eventually(t, func() bool { // it listens no more
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond)
	close(goOn)
	require.Equal(t, http.StatusOK, <-status)
	require.NoError(t, <-ended)
	require.Len(t, w.timeline(), 1)
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	address, _ := w.serve(hooks.TLS{})
	var idle []net.Conn
	for range 64 {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		idle = append(idle, c)
	}
	r := w.over("http://"+address, w.request(path, "mail", "["+event("1", "d1", "open")+"]"))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := http.DefaultTransport.RoundTrip(r.WithContext(ctx)) //nolint:bodyclose // there is none
	require.Error(t, err, "it waits")
	for _, c := range idle {
		require.NoError(t, c.Close())
	}
	answer, err := http.DefaultClient.Do(w.over("http://"+address, w.request(path, "mail", "["+event("1", "d1", "open")+"]")))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// issue writes a certificate for 127.0.0.1 that signs itself, and returns the pool that knows it.
func issue(t *testing.T, c hooks.TLS) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	require.NoError(t, os.WriteFile(c.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(c.Key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600))
	return pool
}

func TestARenewedCertificateIsTakenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("d1", "mail")
	files := hooks.TLS{Cert: filepath.Join(t.TempDir(), "c"), Key: filepath.Join(t.TempDir(), "k")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorContains(t, w.server.Serve(t.Context(), l, files), "serve hooks: read certificate")

	pool := issue(t, files)
	address, _ := w.serve(files)
	call := func(pool *x509.CertPool) error {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Do(w.over("https://"+address, w.request(path, "mail", "[]")))
		if err == nil {
			require.Equal(t, http.StatusOK, answer.StatusCode)
			require.NoError(t, answer.Body.Close())
		}
		return err
	}
	require.NoError(t, call(pool))
	require.NoError(t, os.WriteFile(files.Key, []byte("half of a pair"), 0o600))
	require.NoError(t, call(pool), "the one before stays")
	require.Contains(t, w.log.String(), "cannot be used")
	renewed := issue(t, files)
	require.Error(t, call(pool))
	require.NoError(t, call(renewed))
}
