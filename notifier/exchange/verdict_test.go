package exchange_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

func TestWait(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		status       int
		after, reset string
		want         time.Duration
	}{
		"none":                     {status: 429},
		"seconds":                  {429, "7", "", 7 * time.Second},
		"fraction":                 {429, "0.25", "", 250 * time.Millisecond},
		"date":                     {503, now.Add(90 * time.Second).Format(http.TimeFormat), "", 90 * time.Second},
		"past date":                {503, now.Add(-time.Minute).Format(http.TimeFormat), "", 0},
		"negative":                 {429, "-5", "", 0},
		"words":                    {429, "soon", "", 0},
		"no number":                {429, "NaN", "", 0},
		"infinite":                 {429, "Inf", "", time.Hour},
		"days":                     {429, "1000000000", "", time.Hour},
		"beyond any integer":       {429, "99999999999999999999999", "", time.Hour},
		"reset at":                 {429, "", "1772366460", time.Minute},
		"reset at a fraction":      {429, "", "1772366460.9", time.Minute},
		"reset at milliseconds":    {429, "", "1772366460123", time.Minute},
		"reset ages of them ago":   {429, "", "100000000000", 0},
		"reset in":                 {429, "", "30", 30 * time.Second},
		"reset as a date":          {429, "", now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		"reset long ago":           {429, "", "1600000000", 0},
		"reset beyond calendars":   {429, "", "9e99", time.Hour},
		"the longer of both":       {429, "10", "1772366460", time.Minute},
		"reset with another state": {503, "10", "1772366460", 10 * time.Second},
	} {
		h := http.Header{}
		h.Set("Retry-After", tc.after)
		h.Set("X-Ratelimit-Reset", tc.reset)
		require.Equal(t, tc.want, exchange.Wait(tc.status, h, now), name)
	}
}

func TestVerdictOf(t *testing.T) {
	t.Parallel()
	special := map[int]notifier.Verdict{408: notifier.Unknown, 425: notifier.Retry, 429: notifier.Retry, 503: notifier.Retry}
	for status := range 700 {
		want, ok := special[status]
		switch {
		case ok:
		case status < 200, status >= 500:
			want = notifier.Unknown
		case status < 300:
			want = notifier.Delivered
		default:
			want = notifier.Permanent
		}
		require.Equal(t, want, exchange.VerdictOf(status), status)
	}
}

func TestOnlyAServiceThatFailsIsUnavailable(t *testing.T) {
	t.Parallel()
	s := exchange.Service{Name: "x", Client: &http.Client{}}
	for status, want := range map[int]bool{401: false, 403: false, 404: false, 408: false, 425: false, 429: false, 500: true, 502: true, 503: true, 504: true} {
		err := s.Refused(exchange.VerdictOf(status), exchange.Answer{Status: status, Header: http.Header{"Retry-After": {"7"}}}, "", "")
		require.Equal(t, want, notifier.IsUnavailable(err), status)
		verdict, after := notifier.VerdictOf(err)
		require.Equal(t, exchange.VerdictOf(status), verdict, "the mark changes no verdict")
		require.Equal(t, verdict == notifier.Retry, after == 7*time.Second, status)
	}
	_, err := s.Do(t.Context(), http.MethodPost, "http://127.0.0.1:1/", nil, "")
	require.True(t, notifier.IsUnavailable(err), "nobody is there")
}
