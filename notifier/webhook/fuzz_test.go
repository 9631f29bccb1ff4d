package webhook_test

import (
	"testing"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
)

// Whatever a message holds, each format stays within its service's limits, and nobody is mentioned.
func FuzzFormats(f *testing.F) {
	for _, text := range notifiertest.HostileTexts() {
		f.Add(text[:min(len(text), 5000)], text[:min(len(text), 300)], uint8(len(text)))
	}
	f.Fuzz(func(t *testing.T, long, short string, facts uint8) {
		m := notifier.Message{
			Key: "d-0001", Status: notifier.Failure, Title: short, Body: long, Error: long, Reason: short, Notes: []string{short, long},
			Links: []notifier.Link{{Text: short, URL: "https://flyte.example.org/" + short}, {Text: long, URL: short}},
			Vars:  map[string]any{"Name": short, "Error": long},
		}
		for range facts {
			m.Facts = append(m.Facts, notifier.Fact{Name: short, Value: long, URL: "https://flyte.example.org/?" + short})
		}
		for format, inspect := range map[string]func(t testing.TB, body []byte){
			"json": inspectJSON, "cloudevents": inspectCloudEvent, "mattermost": inspectMattermost,
			"discord": inspectDiscord, "google-chat": inspectGoogleChat, "ntfy": inspectNtfy,
		} {
			got, err := (&webhook.Config{Format: format}).PreviewFor(&webhook.Destination{URL: "https://ntfy.example.org/" + urlToken}, m)
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			inspect(t, got.Payload)
		}
	})
}

// A URL of a task's is taken or refused, and its host is what is judged and shown.
func FuzzURLs(f *testing.F) {
	for _, raw := range []string{
		"https://hooks.example.org/a?b=c", "http://[::1]:80/", "https://a@b/", "https://a:b@c:1/#d", "//x", "http://%41/", "https://\u0130.example.org/", "HTTP://A./",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		d := &webhook.Destination{URL: raw}
		problems, addresses := d.Validate(), d.Addresses()
		if raw == "" || notifier.IsTemplate(raw) {
			return
		}
		if len(problems) > 0 {
			if addresses[0] != "what is no url" {
				t.Errorf("%q is refused, and %q would be judged", raw, addresses[0])
			}
			return
		}
		if len(addresses) != 1 || addresses[0] == "" || d.Address() == "" || d.Address() != notifier.Printable(d.Address()) {
			t.Errorf("%q: %q, %q", raw, addresses, d.Address())
		}
	})
}
