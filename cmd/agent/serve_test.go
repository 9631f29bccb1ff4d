package main

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServeUntilStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, stderr, stop := w.serve()
	got := w.on("watches")
	require.Equal(t, 0, got.code, "commands work beside it: %s", got.stderr)
	start := time.Now()
	require.Equal(t, 0, stop())
	require.Less(t, time.Since(start), 15*time.Second)
	require.Contains(t, stderr.String(), `"msg":"stopped"`)
}

func TestSecondServerIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, stop := w.serve()
	got := w.on("serve")
	require.Equal(t, 1, got.code)
	require.Equal(t, "flyte-notifier: another flyte-notifier serves this store: "+w.dir+"/notifier.db\n", got.stderr)
	require.Equal(t, 0, stop())
	_, _, stop = w.serve()
	require.Equal(t, 0, stop(), "the lock goes with the server")
}

func TestServeThatCannotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	for want, spoil := range map[string]func(w *world){
		"connections.team-slack.slack.token: read secret: open DIR/slack: no such file": func(w *world) {
			require.NoError(t, os.Remove(w.dir+"/slack"))
		},
		"connections.mail.sendgrid.api_key: secret file:DIR/sendgrid is empty or not set": func(w *world) { w.write("sendgrid", " \n") },
		"listen for gRPC: listen tcp " + taken.Addr().String(): func(w *world) {
			w.change(`listen: "127.0.0.1:0"`, `listen: "`+taken.Addr().String()+`"`)
		},
		"listen for HTTP: listen tcp " + taken.Addr().String(): func(w *world) {
			w.change(`http: "127.0.0.1:0"`, `http: "`+taken.Addr().String()+`"`)
		},
		"open store DIR/none/notifier.db: folder DIR/none does not exist": func(w *world) { w.change("/notifier.db", "/none/notifier.db") },
		"read certificate: open DIR/tls.crt: no such file": func(w *world) {
			w.change(`server: {`, `server: {tls: {cert: "`+w.dir+`/tls.crt", key: "`+w.dir+`/tls.key"}, `)
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			spoil(w)
			got := w.on("serve")
			require.Equal(t, 1, got.code)
			require.Contains(t, got.stderr, w.fill(want))
			require.NotContains(t, got.stderr, slackToken)
			require.NotContains(t, got.stderr, sendgridKey)
		})
	}
}
