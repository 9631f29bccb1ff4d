package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// eventKey makes a key of SendGrid's event webhook, and returns it as SendGrid shows it, too.
func eventKey(t *testing.T) (key *ecdsa.PrivateKey, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	return key, base64.StdEncoding.EncodeToString(der)
}

// tell calls as SendGrid does, and returns the status.
func (w *world) tell(key *ecdsa.PrivateKey, body string) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.context(), http.MethodPost, "http://"+w.hooks+"/hooks/sendgrid/mail", strings.NewReader(body))
	require.NoError(w.t, err)
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	sum := sha256.Sum256([]byte(stamp + body))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	require.NoError(w.t, err)
	r.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	r.Header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature))
	code, _ := answerTo(w.t, r)
	return code
}

// bounces is what SendGrid tells of a mail that the recipient's server refused.
func bounces(event, delivery string) string {
	return fmt.Sprintf(`[{"event":"bounce","sg_event_id":%q,"flyte_notifier_key":%q,"email":"ml@example.org","reason":"550 no such user","timestamp":%d}]`,
		event, delivery, time.Now().Unix())
}

// A mail that SendGrid took and that bounced is seen in the store, whatever key the config has meanwhile.
func TestABouncedMailIsTold(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	first, public := eventKey(t)
	second, renewed := eventKey(t)
	const listen, before = `server: {hooks: {listen: "127.0.0.1:0"}, `, `mail: {sendgrid: {api_key`
	w.edit("server: { => "+listen, before+" => mail: {sendgrid: {event_key: "+public+", api_key")
	w.start(w.load())
	id := w.run("f1")
	w.register(id)
	w.flyteFails(id)
	mails, err := w.mail.WaitMails(w.context(), 1)
	require.NoError(t, err)
	w.awaitDelivered(3)
	key := mails[0].CustomArgs["flyte_notifier_key"]
	require.Equal(t, http.StatusForbidden, w.tell(second, bounces("e1", key)))
	require.Equal(t, http.StatusOK, w.tell(first, bounces("e1", key)))
	require.Equal(t, http.StatusOK, w.tell(first, bounces("e1", key)))

	w.edit("server: { => "+listen, before+" => mail: {sendgrid: {event_key: "+renewed+", api_key")
	w.awaitTaken()
	require.Equal(t, http.StatusForbidden, w.tell(first, bounces("e2", key)))
	require.Equal(t, http.StatusOK, w.tell(second, bounces("e2", key)))
	w.awaitPage(`flyte_notifier_hook_events_total{event="bounced"} 2`)
	require.NoError(t, w.stop())
	_, err = net.Dial("tcp", w.hooks)
	require.Error(t, err, "it listens no more")
	w.checkBounced(key)
}

func (w *world) checkBounced(key string) {
	w.t.Helper()
	db, err := sqlite.Open(w.t.Context(), filepath.Join(w.dir, "notifier.db"))
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	found, err := db.DeliveriesOf(w.t.Context(), []string{key})
	require.NoError(w.t, err)
	require.Len(w.t, found, 1)
	require.Equal(w.t, store.Delivered, found[0].State)
	require.Equal(w.t, "bounced", found[0].Receipt["event"])
	require.NotEmpty(w.t, found[0].Receipt["message_id"])
	require.Equal(w.t, "sendgrid: bounced m…@example.org: 550 no such user", found[0].LastError)
	events, err := db.Events(w.t.Context(), found[0].WatchID, 0, 100)
	require.NoError(w.t, err)
	bounced := 0
	for _, e := range events {
		if e.Kind == "mail_bounced" {
			bounced++
		}
	}
	require.Equal(w.t, 2, bounced)
}

func TestTheServerNeedsTheAddressOfHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	w.write("config.yaml", strings.Replace(w.text(), "server: {", fmt.Sprintf("server: {hooks: {listen: %q}, ", l.Addr()), 1))
	err = app.Run(w.context(), app.Options{Config: w.load(), Stdout: w.stdout, Log: w.logger()})
	require.ErrorContains(t, err, "listen for hooks: ")
}
