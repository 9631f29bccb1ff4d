package webhook

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// signer makes signatures with one key.
type signer = *standardwebhooks.Webhook

// signing reads the keys. There may be several while one takes the place of another: the receiver then accepts any of
// their signatures.
func (l *line) signing(secret notifier.Secret) error {
	if secret.IsZero() {
		return nil
	}
	text, err := secret.Value()
	if err != nil {
		return fmt.Errorf("signing_secret: %w", err)
	}
	for key := range strings.FieldsSeq(text) {
		s, err := newSigner(key)
		if err != nil {
			return fmt.Errorf("signing_secret: what is in %s %w", secret, err)
		}
		l.signers = append(l.signers, s)
		l.Secrets = append(l.Secrets, key, strings.TrimPrefix(key, prefix))
	}
	return nil
}

// prefix is how secrets of Standard Webhooks begin.
const prefix = "whsec_"

// newSigner takes base64, as the standard has it, and a text that is none as it is. Its error does not show the key.
func newSigner(key string) (signer, error) {
	bare, marked := strings.CutPrefix(key, prefix)
	s, err := standardwebhooks.NewWebhook(key)
	switch {
	case bare == "":
		return nil, fmt.Errorf("is empty after %s", prefix)
	case err == nil:
		return s, nil
	case marked:
		return nil, fmt.Errorf("is not base64 after %s", prefix)
	}
	return standardwebhooks.NewWebhookRaw([]byte(key))
}

// sign adds the connection's headers, and those that say which message it is and that it is ours.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func (l *line) sign(r *request, key string) error {
	for name, values := range l.header {
		r.header[name] = values
	}
	id := headerText(key)
	if id == "" {
		return nil
	}
	now := time.Now()
	if !l.chat { // net/http makes a POST that has it again by itself, where a connection that was in use breaks off
		r.header.Set("Idempotency-Key", id)
	}
	r.header.Set(standardwebhooks.HeaderWebhookID, id)
	r.header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	var all []string
	for _, s := range l.signers {
		signature, err := s.Sign(id, now, r.body)
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		all = append(all, signature)
	}
	if len(all) > 0 {
		r.header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(all, " "))
	}
	return nil
}

// headerText is a key as a header may hold it. Ours are plain already.
func headerText(key string) string {
	plain := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, key)
	return plain[:min(len(plain), 256)]
}
