package flyte_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

const clientSecret = "s3cr3t-of-the-client"

// provider is an authorization server and the flyteadmin that trusts it.
type provider struct {
	*httptest.Server
	endpoint string

	mu       sync.Mutex
	accepted string            // the access token that flyteadmin takes
	status   int               // what the token endpoint answers; 0: a token
	forms    map[string]string // the last form of each grant type
	issued   int
}

// newProvider returns a server whose tokens are JWTs, as flyteidl's client wants them.
func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{forms: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/token", p.token)
	mux.HandleFunc("/device", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"device_code": "d", "user_code": "u", "verification_uri": "http://idp"}`))
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		back := url.Values{"code": {"c"}, "state": {q["state"][len(q["state"])-1]}}
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	s := flytesim.New(flytesim.WithAuth(flytesim.Auth{
		Accept: p.accepts, TokenURL: p.URL + "/token", DeviceURL: p.URL + "/device", AuthorizeURL: p.URL + "/authorize",
		RedirectURL: "http://" + unused(t) + "/callback", Scopes: []string{"all"},
	}))
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	p.endpoint = endpoint
	return p
}

// jwt is a token that says it is valid for an hour.
func jwt(id string) string {
	part := func(v any) string {
		raw, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	return part(map[string]string{"alg": "none"}) + "." + part(map[string]any{"exp": time.Now().Add(time.Hour).Unix(), "jti": id}) + "."
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	_, password, _ := r.BasicAuth()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forms[r.Form.Get("grant_type")] = r.Form.Encode()
	w.Header().Set("Content-Type", "application/json")
	if p.status != 0 {
		w.WriteHeader(p.status)
		fmt.Fprintf(w, `{"error": "invalid_client", "error_description": "wrong: %s %s"}`, password, r.Form.Encode())
		return
	}
	p.issued++
	p.accepted = jwt(fmt.Sprint(p.issued))
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": p.accepted, "token_type": "bearer", "expires_in": 3600})
}

func (p *provider) accepts(authorization string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted != "" && authorization == "Bearer "+p.accepted
}

func (p *provider) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *provider) tokens() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.issued
}

// client dials flyteadmin with the flow.
func (p *provider) client(t *testing.T, flow map[string]any) *flyte.Client {
	t.Helper()
	flow["endpoint"], flow["insecure"] = p.endpoint, true
	return dial(t, section(t, flow))
}

// secretFlow is the section of the flow ClientSecret.
func secretFlow(t *testing.T) map[string]any {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(clientSecret+"\n"), 0o600))
	return map[string]any{"clientId": "notifier", "clientSecretLocation": file, "audience": "flyte"}
}

func TestAClientSecretGetsATokenOnceForAllCalls(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	c := p.client(t, secretFlow(t))
	g, ctx := errgroup.WithContext(t.Context())
	for range 20 {
		g.Go(func() error { return c.Ping(ctx) })
	}
	require.NoError(t, g.Wait())
	require.NoError(t, c.Ping(t.Context()))
	require.Equal(t, 1, p.tokens())
	require.Contains(t, p.forms["client_credentials"], "audience=flyte")
	require.Contains(t, p.forms["client_credentials"], "scope=all")
}

func TestARevokedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	c := p.client(t, secretFlow(t))
	require.NoError(t, c.Ping(t.Context()))
	p.set(func() { p.accepted = "another" })
	require.NoError(t, c.Ping(t.Context()))
	require.Equal(t, 2, p.tokens())
}

func TestAnAuthorizationServerThatWasDownIsAskedAgain(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.set(func() { p.status = http.StatusServiceUnavailable })
	c := p.client(t, secretFlow(t))
	for range 2 {
		err := c.Ping(t.Context())
		require.Equal(t, codes.Unauthenticated, status.Code(err))
		require.ErrorContains(t, err, "the token endpoint answered 503 Service Unavailable")
	}
	p.set(func() { p.status = 0 })
	require.NoError(t, c.Ping(t.Context()))
}

func TestASecretIsInNoError(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.set(func() { p.status = http.StatusUnauthorized })
	err := p.client(t, secretFlow(t)).Ping(t.Context())
	require.ErrorContains(t, err, "401 Unauthorized")
	require.NotContains(t, err.Error(), clientSecret)
	require.NotContains(t, err.Error(), "wrong:")

	flow := secretFlow(t)
	require.NoError(t, os.Remove(flow["clientSecretLocation"].(string)))
	err = p.client(t, flow).Ping(t.Context())
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	require.ErrorContains(t, err, "no such file")
}

func TestATokenGoesThroughTheHTTPProxy(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	var proxied []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.set(func() { proxied = append(proxied, r.URL.String()) })
		p.token(w, r)
	}))
	t.Cleanup(proxy.Close)
	flow := secretFlow(t)
	flow["httpProxyURL"], flow["tokenUrl"] = proxy.URL, "http://idp.invalid/token"
	require.NoError(t, p.client(t, flow).Ping(t.Context()))
	require.Equal(t, []string{"http://idp.invalid/token"}, proxied)
}

func TestAnExternalCommandRunsAgainForANewToken(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	file := filepath.Join(t.TempDir(), "token")
	show := func(token string) {
		p.set(func() { p.accepted = token })
		require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	}
	show("first")
	c := p.client(t, map[string]any{"authType": "ExternalCommand", "command": []any{"cat", file}})
	require.NoError(t, c.Ping(t.Context()))
	show("second")
	require.NoError(t, c.Ping(t.Context()))

	require.NoError(t, os.WriteFile(file, nil, 0o600))
	p.set(func() { p.accepted = "third" })
	require.ErrorContains(t, c.Ping(t.Context()), "it printed none")
	require.NoError(t, os.Remove(file))
	require.ErrorContains(t, c.Ping(t.Context()), "run command for a token: exit status 1")
}

func TestACallerThatGivesUpLeavesTheFlowRunning(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "go")
	script := filepath.Join(dir, "token.sh")
	require.NoError(t, os.WriteFile(script, []byte("while [ ! -e "+fifo+" ]; do sleep 0.02; done; echo slow\n"), 0o600))
	p.set(func() { p.accepted = "slow" })
	c := p.client(t, map[string]any{"authType": "ExternalCommand", "command": []any{"sh", script}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := c.Ping(ctx)
	require.ErrorContains(t, err, "context deadline exceeded")
	require.NoError(t, os.WriteFile(fifo, nil, 0o600))
	require.NoError(t, c.Ping(t.Context()))
}

func TestADeviceFlow(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	c := p.client(t, map[string]any{"authType": "DeviceFlow", "deviceFlowConfig": map[string]any{"pollInterval": "1ms"}})
	require.NoError(t, c.Ping(t.Context()))
	require.Contains(t, p.forms["urn:ietf:params:oauth:grant-type:device_code"], "device_code=d")
	p.set(func() { p.accepted = "another" })
	require.NoError(t, c.Ping(t.Context()), "a refused token starts the flow again")
	require.Equal(t, 2, p.tokens())
}

// browserURL is set where the test binary plays the browser.
const browserURL = "FLYTE_TEST_BROWSER_URL"

// TestBrowser is no test but the browser of TestPkce: it follows the redirects.
func TestBrowser(t *testing.T) {
	t.Parallel()
	address := os.Getenv(browserURL)
	if address == "" {
		t.Skip("plays the browser for TestPkce")
	}
	require.Eventually(t, func() bool { // until the client listens for it
		r, err := http.Get(address) //nolint:gosec,noctx // it is the test's own server
		return err == nil && r.Body.Close() == nil && r.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond)
}

func TestPkce(t *testing.T) { //nolint:paralleltest // the browser is found by the environment
	self, err := os.Executable()
	require.NoError(t, err)
	bin := t.TempDir()
	script := "#!/bin/sh\n" + browserURL + "=\"$1\" exec '" + self + "' -test.run '^TestBrowser$'\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(script), 0o700)) //nolint:gosec // it is run
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	p := newProvider(t)
	c := p.client(t, map[string]any{"authType": "Pkce"})
	require.NoError(t, c.Ping(t.Context()))
	require.True(t, strings.Contains(p.forms["authorization_code"], "code_verifier="))
}
