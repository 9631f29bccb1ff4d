package sendgrid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// EventKey is the public key by which SendGrid's event webhook is verified, or a reference to it: it is no secret, but
// may be kept beside one. Its zero value is none.
type EventKey struct {
	literal string
	ref     notifier.Secret
}

// NewEventKey returns a key as SendGrid shows it.
func NewEventKey(literal string) EventKey { return EventKey{literal: literal} }

// EventKeyAt returns a reference to a key.
func EventKeyAt(ref notifier.Secret) EventKey { return EventKey{ref: ref} }

// IsZero says whether there is none.
func (k EventKey) IsZero() bool { return k == EventKey{} }

// public reads the key, each time anew where it is a reference.
func (k EventKey) public() (*ecdsa.PublicKey, error) {
	literal := k.literal
	if !k.ref.IsZero() {
		var err error
		if literal, err = k.ref.Value(); err != nil {
			return nil, err
		}
	}
	return parsePublic(literal)
}

// parsePublic reads a key as SendGrid shows it: DER in base64, of the curve P-256.
func parsePublic(literal string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(literal), ""))
	if err != nil {
		return nil, errors.New("must be the verification key that SendGrid shows, in base64")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("must be the verification key that SendGrid shows: a public key in DER")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("must be a public key of ECDSA with the curve P-256")
	}
	return key, nil
}

// DecodeStrict reads a key or a reference.
func (k *EventKey) DecodeStrict(tree any) []notifier.Problem {
	switch v := tree.(type) {
	case string:
		k.literal = v
		if _, err := parsePublic(v); err != nil {
			return []notifier.Problem{{Text: err.Error()}}
		}
		return nil
	case map[string]any:
		return k.decodeReference(v)
	}
	return []notifier.Problem{{Text: "must be the key, {env: NAME} or {file: PATH}"}}
}

func (k *EventKey) decodeReference(tree map[string]any) (problems []notifier.Problem) {
	for key, value := range tree {
		text, ok := value.(string)
		switch {
		case key != "env" && key != "file":
			problems = append(problems, notifier.Problem{Path: key, Text: "unknown key"})
		case !ok:
			problems = append(problems, notifier.Problem{Path: key, Text: "must be text"})
		case key == "env":
			k.ref.Env = text
		default:
			k.ref.File = text
		}
	}
	if err := k.ref.Validate(); err != nil && len(problems) == 0 {
		problems = append(problems, notifier.Problem{Text: err.Error()})
	}
	return problems
}

// JSONSchema describes the key and the reference.
func (EventKey) JSONSchema() map[string]any {
	text := func(doc string) map[string]any { return map[string]any{"type": "string", "description": doc} }
	return map[string]any{"oneOf": []any{
		map[string]any{"type": "string", "pattern": "^[A-Za-z0-9+/=\\s]+$"},
		map[string]any{
			"type": "object", "additionalProperties": false,
			"properties": map[string]any{
				"env": text("name of an environment variable that holds the key"), "file": text("path of a file that holds the key"),
			},
		},
	}}
}

// check returns what is wrong with a key that can be read now.
func (k EventKey) check() error {
	if k.IsZero() {
		return nil
	}
	if _, err := k.public(); err != nil {
		return fmt.Errorf("event_key: %w", err)
	}
	return nil
}
