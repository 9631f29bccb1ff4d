package sendgrid_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
)

// signer signs as SendGrid does.
type signer struct{ key *ecdsa.PrivateKey }

func newSigner(t testing.TB) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return signer{key}
}

// public is the key as SendGrid shows it.
func (s signer) public(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(der)
}

func (s signer) header(t testing.TB, at time.Time, body string) http.Header {
	t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256([]byte(stamp + body))
	der, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	require.NoError(t, err)
	h := http.Header{}
	h.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(der))
	h.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	return h
}

func called() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

const bounce = `[{"email":"ada@example.org","timestamp":1772366390,"event":"bounce","sg_event_id":"e1","flyte_notifier_key":"d1",` +
	`"type":"bounce","status":"5.1.1","reason":"550 5.1.1 <Ada@example.org>:\r\n no such\u001b[31m user"}]` + "\r\n"

func TestHeardTellsWhatBecameOfMails(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	n := open(t, sendgrid.Config{EventKey: sendgrid.NewEventKey(s.public(t))}, nil)
	news, err := n.Heard(s.header(t, called(), bounce), []byte(bounce), called())
	require.NoError(t, err)
	require.Equal(t, []notifier.News{{
		ID: "e1", Key: "d1", Fate: notifier.Bounced, At: time.Unix(1772366390, 0).UTC(),
		Text: "sendgrid: bounced a…@example.org: 550 5.1.1 <A…@example.org>: no such user",
	}}, news)
}

func TestHeardKnowsEveryEvent(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	n := open(t, sendgrid.Config{EventKey: sendgrid.NewEventKey(s.public(t))}, nil)
	hear := func(events string) []notifier.News {
		news, err := n.Heard(s.header(t, called(), events), []byte(events), called())
		require.NoError(t, err, events)
		return news
	}
	for name, want := range map[string]notifier.Fate{
		"processed": notifier.Processed, "deferred": notifier.Deferred, "delivered": notifier.Arrived, "open": notifier.Opened,
		"click": notifier.Clicked, "unsubscribe": notifier.Unsubscribed, "group_unsubscribe": notifier.Unsubscribed,
		"spamreport": notifier.Complained, "dropped": notifier.Dropped, "bounce": notifier.Bounced,
	} {
		news := hear(fmt.Sprintf(`[{"event":%q,"email":"é@example.org","flyte_notifier_key":"d1","response":"250 ok"}]`, name))
		require.Len(t, news, 1, name)
		require.Equal(t, want, news[0].Fate)
		require.NotEmpty(t, news[0].ID, "without an id it is made of the event")
		require.Zero(t, news[0].At)
		require.Equal(t, fmt.Sprintf("sendgrid: %s é…@example.org: 250 ok", want), news[0].Text)
	}
	for _, others := range []string{
		`[]`, ` [ ] `, `[{}]`, `[{"event":"open"}]`, `[{"event":"account_status_change","flyte_notifier_key":"d1"}]`,
		`[{"event":"open","flyte_notifier_key":7,"timestamp":"x","reason":[],"sg_event_id":{}}]`,
		`[{"event":"open","flyte_notifier_key":"` + strings.Repeat("k", 501) + `"}]`,
	} {
		require.Empty(t, hear(others), others)
	}
	require.Contains(t, hear(`[{"event":"bounce","type":"blocked","flyte_notifier_key":"d"}]`)[0].Text, "bounced (blocked) …")
	long := hear(`[{"event":"bounce","flyte_notifier_key":"d","email":"` + strings.Repeat("x@", 9999) + `","reason":"` + strings.Repeat("y", 99999) + `"}]`)
	require.Less(t, len(long[0].Text), 600)
}

func TestHeardRefuses(t *testing.T) {
	t.Parallel()
	s, other := newSigner(t), newSigner(t)
	n := open(t, sendgrid.Config{EventKey: sendgrid.NewEventKey(s.public(t))}, nil)
	now := called()
	without := func(name string) http.Header {
		h := s.header(t, now, bounce)
		h.Del(name)
		return h
	}
	with := func(name, value string) http.Header {
		h := s.header(t, now, bounce)
		h.Set(name, value)
		return h
	}
	const signature, stamp = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
	for name, c := range map[string]struct {
		header http.Header
		body   string
		want   error
	}{
		"another's key":           {other.header(t, now, bounce), bounce, notifier.ErrForged},
		"no signature":            {without(signature), bounce, notifier.ErrForged},
		"no time":                 {without(stamp), bounce, notifier.ErrForged},
		"no base64":               {with(signature, "?"), bounce, notifier.ErrForged},
		"no signature in base64":  {with(signature, "QUJD"), bounce, notifier.ErrForged},
		"a huge signature":        {with(signature, strings.Repeat("A", 1<<16)), bounce, notifier.ErrForged},
		"another time":            {with(stamp, strconv.FormatInt(now.Unix()+1, 10)), bounce, notifier.ErrForged},
		"the time in other words": {with(stamp, "+"+strconv.FormatInt(now.Unix(), 10)), bounce, notifier.ErrForged},
		"no number":               {with(stamp, "today"), bounce, notifier.ErrForged},
		"another body":            {s.header(t, now, bounce), strings.TrimSpace(bounce), notifier.ErrForged},
		"old":                     {s.header(t, now.Add(-5*time.Minute-time.Second), bounce), bounce, notifier.ErrStale},
		"ahead":                   {s.header(t, now.Add(5*time.Minute+time.Second), bounce), bounce, notifier.ErrStale},
		"ages ago":                {with(stamp, "-9223372036854775808"), bounce, notifier.ErrStale},
		"in ages":                 {with(stamp, "9223372036854775807"), bounce, notifier.ErrStale},
		"not JSON":                {s.header(t, now, "x"), "x", nil},
		"nothing":                 {s.header(t, now, ""), "", nil},
		"no list":                 {s.header(t, now, "{}"), "{}", nil},
		"no events":               {s.header(t, now, "[1]"), "[1]", nil},
		"half of it":              {s.header(t, now, `[{"event":"open"}`), `[{"event":"open"}`, nil},
		"two":                     {s.header(t, now, `[][]`), `[][]`, nil},
		"too many":                {s.header(t, now, tooMany()), tooMany(), nil},
	} {
		news, err := n.Heard(c.header, []byte(c.body), now)
		require.Error(t, err, name)
		require.Empty(t, news, name)
		require.NotContains(t, err.Error(), "example.org", name)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, name)
			continue
		}
		require.NotErrorIs(t, err, notifier.ErrForged, name)
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, notifier.Unknown, verdict, name)
	}
	for _, at := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		_, err := n.Heard(s.header(t, now.Add(at), bounce), []byte(bounce), now)
		require.NoError(t, err)
	}
}

func tooMany() string { return "[" + strings.Repeat("{},", 10_000) + "{}]" }

func TestHeardNeedsAKeyAndReadsItAnew(t *testing.T) {
	t.Parallel()
	s, next := newSigner(t), newSigner(t)
	_, err := open(t, sendgrid.Config{}, nil).Heard(s.header(t, called(), bounce), []byte(bounce), called())
	require.ErrorIs(t, err, notifier.ErrNoHook)

	ref := secret(t, s.public(t))
	n := open(t, sendgrid.Config{EventKey: sendgrid.EventKeyAt(ref)}, nil)
	hear := func(s signer) error {
		_, err := n.Heard(s.header(t, called(), bounce), []byte(bounce), called())
		return err
	}
	require.NoError(t, hear(s))
	require.NoError(t, os.WriteFile(ref.File, []byte(next.public(t)), 0o600))
	require.ErrorIs(t, hear(s), notifier.ErrForged)
	require.NoError(t, hear(next))
	for _, broken := range []string{"", "x", "QUJD"} {
		require.NoError(t, os.WriteFile(ref.File, []byte(broken), 0o600))
		verdict, _ := notifier.VerdictOf(hear(next))
		require.Equal(t, notifier.Retry, verdict, "SendGrid tells again, once the key is right")
		_, err = sendgrid.New(sendgrid.Config{APIKey: secret(t, apiKey), From: "a@example.org", EventKey: sendgrid.EventKeyAt(ref)}, nil)
		require.ErrorContains(t, err, "open sendgrid: event_key: ")
	}
}

func TestOpensAreTrackedOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		var mail struct {
			Settings struct {
				Open struct{ Enable bool } `json:"open_tracking"`
			} `json:"tracking_settings"`
		}
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if json.NewDecoder(r.Body).Decode(&mail) == nil {
				w.WriteHeader(http.StatusAccepted)
			}
		}))
		n := open(t, sendgrid.Config{OpenTracking: asked, Host: exchange.BaseURL(service.URL)}, service.Client())
		_, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"a@example.org"}}, notifier.Message{Key: "d", Title: "t"})
		service.Close()
		require.NoError(t, err)
		require.Equal(t, asked, mail.Settings.Open.Enable)
	}
}

func FuzzHeard(f *testing.F) {
	f.Add([]byte(bounce))
	f.Add([]byte(`[{"event":"open","flyte_notifier_key":"d","email":"@","timestamp":1e99}]`))
	f.Add([]byte(`[null]`))
	s := newSigner(f)
	n := open(f, sendgrid.Config{EventKey: sendgrid.NewEventKey(s.public(f))}, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		news, err := n.Heard(s.header(t, called(), string(body)), body, called())
		for _, one := range news {
			require.NoError(t, err)
			require.NotEmpty(t, one.ID)
			require.NotEmpty(t, one.Key)
			require.Positive(t, one.Fate.Weighs())
			require.Equal(t, notifier.OneLine(one.Text), one.Text)
		}
	})
}
