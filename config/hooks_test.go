package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

// eventKey is a key as SendGrid shows it.
func eventKey(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(der)
}

func TestHooks(t *testing.T) {
	t.Parallel()
	const admin = "admin: {endpoint: \"dns:///a:81\"}\n"
	mail := func(key string) string {
		return "connections: {mail: {sendgrid: {api_key: {env: A}, from: a@example.org, event_key: " + key + "}}}\n"
	}
	good := eventKey(t, elliptic.P256())
	const on = `server: {hooks: {listen: ":8090"}}` + "\n"
	for doc, want := range map[string][]string{
		"": nil,
		on: nil,
		`server: {hooks: {listen: ":8090", tls: {cert: a, key: b}}}`: nil,
		on + mail(good):                                           nil,
		on + mail("{env: KEY}"):                                   nil,
		on + mail("{file: /run/key}"):                             nil,
		mail("{env: KEY}"):                                        {"connections.mail.sendgrid.event_key: needs server.hooks"},
		mail(good):                                                {"connections.mail.sendgrid.event_key: needs server.hooks"},
		on + mail("{env: A, file: B}"):                            {"connections.mail.sendgrid.event_key: must be exactly one of {env: NAME} and {file: PATH}"},
		on + mail("{enf: A}"):                                     {"connections.mail.sendgrid.event_key.enf: unknown key"},
		on + mail("{env: 1}"):                                     {"connections.mail.sendgrid.event_key.env: must be text"},
		on + mail("[]"):                                           {"connections.mail.sendgrid.event_key: must be the key, {env: NAME} or {file: PATH}"},
		on + mail("'?'"):                                          {"connections.mail.sendgrid.event_key: must be the verification key that SendGrid shows, in base64"},
		on + mail("QUJD"):                                         {"connections.mail.sendgrid.event_key: must be the verification key that SendGrid shows: a public key in DER"},
		on + mail(eventKey(t, elliptic.P384())):                   {"connections.mail.sendgrid.event_key: must be a public key of ECDSA with the curve P-256"},
		`server: {hooks: {listen: "8090"}}`:                       {"server.hooks.listen: must be host:port or :port"},
		`server: {hooks: {listen: ":8080"}}`:                      {"server.hooks.listen: must not be the address of server.listen or server.http"},
		`server: {hooks: {listen: ":8000"}}`:                      {"server.hooks.listen: must not be the address of server.listen or server.http"},
		`server: {hooks: {listen: ":8090", tls: {cert: a}}}`:      {"server.hooks.tls.key: required with server.hooks.tls.cert"},
		`server: {hooks: {listen: ":8090", tls: {key: a}}}`:       {"server.hooks.tls.cert: required with server.hooks.tls.key"},
		`server: {hooks: {listen: ":8090", tls: {client_ca: a}}}`: {"server.hooks.tls.client_ca: unknown key"},
	} {
		_, found := config.Parse([]byte(admin+doc), nil, builtin.Registry(nil))
		var texts []string
		for _, p := range found {
			texts = append(texts, p.String())
		}
		require.Equal(t, want, texts, doc)
	}
}
