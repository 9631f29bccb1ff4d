package sendgridsim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
)

const key = "SG.test"

const good = `{
	"from": {"email": "flyte@example.org", "name": "Flyte"}, "reply_to": {"email": "re@example.org"}, "subject": "train FAILED",
	"personalizations": [{"to": [{"email": "a@example.org"}], "cc": [{"email": "c@example.org"}], "bcc": [{"email": "b@example.org"}]}],
	"content": [{"type": "text/plain", "value": "text"}, {"type": "text/html", "value": "<p>html</p>"}],
	"categories": ["flyte"], "custom_args": {"flyte_notifier_key": "k1"}}`

func start(t *testing.T) *sendgridsim.Server {
	t.Helper()
	s := sendgridsim.New(key)
	t.Cleanup(s.Close)
	return s
}

func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func request(t *testing.T, ctx context.Context, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	return r
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := client(t).Do(r)
	require.NoError(t, err)
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response, string(raw)
}

func post(t *testing.T, s *sendgridsim.Server, body string) (*http.Response, string) {
	t.Helper()
	return do(t, request(t, t.Context(), http.MethodPost, s.URL()+"/v3/mail/send", body))
}

func TestAcceptsAndKeepsAMail(t *testing.T) {
	t.Parallel()
	s := start(t)

	response, body := post(t, s, good)

	require.Equal(t, http.StatusAccepted, response.StatusCode, body)
	require.Empty(t, body)
	require.Equal(t, []sendgridsim.Mail{{
		ID: response.Header.Get("X-Message-Id"), From: "flyte@example.org", FromName: "Flyte", ReplyTo: "re@example.org",
		To: []string{"a@example.org"}, Cc: []string{"c@example.org"}, Bcc: []string{"b@example.org"},
		Subject: "train FAILED", Text: "text", HTML: "<p>html</p>",
		Categories: []string{"flyte"}, CustomArgs: map[string]string{"flyte_notifier_key": "k1"},
	}}, s.Mails())
	require.NotEmpty(t, s.Mails()[0].ID)
	require.Equal(t, 1, s.Requests())
}

func TestKeepsTemplateAndItsData(t *testing.T) {
	t.Parallel()
	s := start(t)

	response, body := post(t, s, `{"from": {"email": "f@example.org"}, "template_id": "d-1",
		"personalizations": [{"to": [{"email": "a@example.org"}], "dynamic_template_data": {"Phase": "FAILED"}}]}`)

	require.Equal(t, http.StatusAccepted, response.StatusCode, body)
	require.Equal(t, "d-1", s.Mails()[0].TemplateID)
	require.Equal(t, map[string]any{"Phase": "FAILED"}, s.Mails()[0].TemplateData)
}

func TestSandboxAnswers200AndDropsTheMail(t *testing.T) {
	t.Parallel()
	s := start(t)

	response, body := post(t, s, strings.Replace(good, `"subject"`, `"mail_settings": {"sandbox_mode": {"enable": true}}, "subject"`, 1))

	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.Empty(t, s.Mails())
}

func TestRefusesWhatSendGridRefuses(t *testing.T) {
	t.Parallel()
	to := func(list string) string {
		return strings.Replace(good, `[{"email": "a@example.org"}]`, list, 1)
	}
	for name, c := range map[string]struct {
		body  string
		field string
	}{
		"no personalization":    {`{"from": {"email": "f@example.org"}, "subject": "s", "content": [{"type": "text/plain", "value": "t"}]}`, "personalizations"},
		"no recipient":          {to(`[]`), "personalizations.0.to"},
		"no address":            {to(`[{"email": "nobody"}]`), "personalizations.0.to.0.email"},
		"duplicate":             {to(`[{"email": "C@example.org"}]`), "personalizations.0"},
		"too many recipients":   {to("[" + strings.Repeat(`{"email": "a@example.org"},`, 1000) + `{"email": "a@example.org"}]`), "personalizations.0"},
		"no sender":             {strings.Replace(good, "flyte@example.org", "", 1), "from.email"},
		"no subject":            {strings.Replace(good, "train FAILED", "", 1), "subject"},
		"bad reply-to":          {strings.Replace(good, "re@example.org", "re", 1), "reply_to.email"},
		"no content":            {strings.Replace(good, `"content"`, `"contents"`, 1), "content"},
		"empty content":         {strings.Replace(good, `"value": "text"`, `"value": ""`, 1), "content.0.value"},
		"html before text":      {strings.Replace(good, `"text/plain"`, `"text/css"`, 1), "content"},
		"eleven categories":     {strings.Replace(good, `["flyte"]`, `["0","1","2","3","4","5","6","7","8","9","a"]`, 1), "categories"},
		"same categories":       {strings.Replace(good, `["flyte"]`, `["a","a"]`, 1), "categories"},
		"long category":         {strings.Replace(good, `["flyte"]`, `["`+strings.Repeat("c", 256)+`"]`, 1), "categories.0"},
		"large custom_args":     {strings.Replace(good, `"k1"`, `"`+strings.Repeat("k", 10_000)+`"`, 1), "custom_args"},
		"data without template": {strings.Replace(good, `"cc"`, `"dynamic_template_data": {"a": 1}, "cc"`, 1), "personalizations.0.dynamic_template_data"},
		"not JSON":              {`{`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)

			response, body := post(t, s, c.body)

			require.Equal(t, http.StatusBadRequest, response.StatusCode, body)
			require.Contains(t, fields(t, body), c.field)
			require.Empty(t, s.Mails())
		})
	}
}

// fields returns the field of each error in SendGrid's answer, "" for null.
func fields(t *testing.T, body string) []string {
	t.Helper()
	var parsed struct {
		Errors []struct {
			Message string
			Field   *string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &parsed), body)
	var all []string
	for _, e := range parsed.Errors {
		require.NotEmpty(t, e.Message)
		if e.Field == nil {
			e.Field = new(string)
		}
		all = append(all, *e.Field)
	}
	return all
}

func TestRefusesKeyTypeMethodPathAndSize(t *testing.T) {
	t.Parallel()
	s := start(t)
	for status, change := range map[int]func(*http.Request){
		http.StatusUnauthorized:         func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") },
		http.StatusUnsupportedMediaType: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		http.StatusMethodNotAllowed:     func(r *http.Request) { r.Method = http.MethodPut },
		http.StatusNotFound:             func(r *http.Request) { r.URL.Path = "/v3/other" },
		http.StatusRequestEntityTooLarge: func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", 30<<20+1))), -1
		},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			r := request(t, t.Context(), http.MethodPost, s.URL()+"/v3/mail/send", good)
			change(r)

			response, body := do(t, r)

			require.Equal(t, status, response.StatusCode)
			require.Equal(t, []string{""}, fields(t, body))
		})
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	s := start(t)
	scopes := request(t, t.Context(), http.MethodGet, s.URL()+"/v3/scopes", "")

	_, body := do(t, scopes)
	require.Contains(t, body, `"mail.send"`)

	s.SetScopes("templates.read")
	_, body = do(t, scopes.Clone(t.Context()))
	require.JSONEq(t, `{"scopes": ["templates.read"]}`, body)
	response, _ := post(t, s, good)
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	require.Empty(t, s.Mails())
}

func TestFaultWithStatusAndHeaders(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Fail(sendgridsim.Fault{Status: http.StatusTooManyRequests, Headers: map[string]string{"X-Ratelimit-Reset": "17"}, Times: 2})
	s.Fail(sendgridsim.Fault{Body: "<html>bad gateway</html>", Status: http.StatusBadGateway})

	for range 2 {
		response, body := post(t, s, good)
		require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		require.Equal(t, "17", response.Header.Get("X-Ratelimit-Reset"))
		require.Equal(t, []string{""}, fields(t, body))
	}
	response, body := post(t, s, good)
	require.Equal(t, http.StatusBadGateway, response.StatusCode)
	require.Equal(t, "<html>bad gateway</html>", body)
	response, _ = post(t, s, good)
	require.Equal(t, http.StatusAccepted, response.StatusCode)
	require.Len(t, s.Mails(), 1)
	require.Equal(t, 4, s.Requests())
}

func TestFaultOfScopesLeavesSendsAlone(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Fail(sendgridsim.Fault{Scopes: true})

	response, _ := post(t, s, good)
	require.Equal(t, http.StatusAccepted, response.StatusCode)
	response, _ = do(t, request(t, t.Context(), http.MethodGet, s.URL()+"/v3/scopes", ""))
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
}

func TestFaultLastsUntilHeal(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Fail(sendgridsim.Fault{Status: http.StatusServiceUnavailable, Times: -1})
	for range 3 {
		response, _ := post(t, s, good)
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	}

	s.Heal()

	response, _ := post(t, s, good)
	require.Equal(t, http.StatusAccepted, response.StatusCode)
}

func TestResetBreaksTheConnection(t *testing.T) {
	t.Parallel()
	for _, store := range []bool{false, true} {
		s := start(t)
		s.Fail(sendgridsim.Fault{Reset: true, Store: store})

		_, err := client(t).Do(request(t, t.Context(), http.MethodPost, s.URL()+"/v3/mail/send", good))

		require.Error(t, err)
		require.Equal(t, store, len(s.Mails()) == 1)
	}
}

func TestHangKeepsTheMailAndNeverAnswers(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Fail(sendgridsim.Fault{Hang: true, Store: true})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := client(t).Do(request(t, ctx, http.MethodPost, s.URL()+"/v3/mail/send", good))
		failed <- err
	}()

	mails, err := s.WaitMails(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, mails, 1)
	require.NoError(t, s.WaitRequests(t.Context(), 1))

	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
}

func TestCloseEndsWhatHangs(t *testing.T) {
	t.Parallel()
	s := sendgridsim.New(key)
	s.Fail(sendgridsim.Fault{Hang: true})
	failed := make(chan error, 1)
	go func() {
		_, err := client(t).Do(request(t, t.Context(), http.MethodPost, s.URL()+"/v3/mail/send", good))
		failed <- err
	}()
	require.NoError(t, s.WaitRequests(t.Context(), 1))

	s.Close()

	require.Error(t, <-failed)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()

	mails, err := start(t).WaitMails(ctx, 1)

	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, mails)
}
