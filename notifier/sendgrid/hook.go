package sendgrid

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// The headers of a signed call, and how far its time may be from ours.
// See https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
const (
	signatureHeader = "X-Twilio-Email-Event-Webhook-Signature"
	timeHeader      = "X-Twilio-Email-Event-Webhook-Timestamp"
	longestHeader   = 200
	freshFor        = 5 * time.Minute
)

// mostEvents bounds a call: SendGrid's, of at most 768 KiB, hold some thousands.
const mostEvents = 10_000

var errTooMany = fmt.Errorf("the call has more than %d events", mostEvents)

// HookKey implements notifier.HookUser.
func (c *Config) HookKey() string {
	if c.EventKey.IsZero() {
		return ""
	}
	return "event_key"
}

// Heard implements notifier.Listener: a call of SendGrid's signed event webhook. What is not about our mails is left
// out. The library's helper is not used: it knows no time, and panics on a key that is not of ECDSA.
func (n *Notifier) Heard(header http.Header, body []byte, now time.Time) ([]notifier.News, error) {
	if n.config.EventKey.IsZero() {
		return nil, fmt.Errorf("sendgrid: event_key: %w", notifier.ErrNoHook)
	}
	stamp, signature := header.Get(timeHeader), header.Get(signatureHeader)
	if err := checkTime(stamp, now); err != nil {
		return nil, err
	}
	key, err := n.config.EventKey.public()
	if err != nil {
		return nil, notifier.Retry.Errorf("sendgrid: event_key: %w", err)
	}
	if !signed(key, stamp, body, signature) {
		return nil, fmt.Errorf("sendgrid: %w (check that event_key is the webhook's verification key)", notifier.ErrForged)
	}
	return readEvents(body)
}

func checkTime(stamp string, now time.Time) error {
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(stamp) > longestHeader {
		return fmt.Errorf("sendgrid: %w: there is no time", notifier.ErrForged)
	}
	// Of a time that is centuries away the difference would not be right.
	if at := time.Unix(seconds, 0); at.Before(now.Add(-freshFor)) || at.After(now.Add(freshFor)) {
		return fmt.Errorf("sendgrid: %w (this server's clock says %s)", notifier.ErrStale, now.UTC().Format(time.RFC3339))
	}
	return nil
}

// signed says whether the signature is that of the time and the body, one behind the other.
func signed(key *ecdsa.PublicKey, stamp string, body []byte, signature string) bool {
	if len(signature) > longestHeader {
		return false
	}
	der, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	hash := sha256.New()
	hash.Write([]byte(stamp))
	hash.Write(body)
	return ecdsa.VerifyASN1(key, hash.Sum(nil), der)
}

// readEvents reads the list of events one by one, so that what is not needed takes no memory.
func readEvents(body []byte) ([]notifier.News, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if t, err := decoder.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("sendgrid: the call is no JSON list")
	}
	var all []notifier.News
	for count := 0; decoder.More(); count++ {
		var e event
		if err := decoder.Decode(&e); err != nil {
			return nil, fmt.Errorf("sendgrid: read event %d: %w", count, err)
		}
		if count >= mostEvents {
			return nil, fmt.Errorf("sendgrid: %w", errTooMany)
		}
		if news, ok := e.news(); ok {
			all = append(all, news)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("sendgrid: the call breaks off")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("sendgrid: something follows the list of events")
	}
	return all, nil
}
