package stdout_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
)

// sink keeps writes apart. It is not safe for concurrent use, so that the race detector sees
// writes that overlap.
type sink struct{ writes []string }

func (s *sink) Write(p []byte) (int, error) {
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

func open(t testing.TB, w io.Writer) notifier.BaseNotifier {
	t.Helper()
	m := stdout.Manifest(w)
	require.NotNil(t, notifier.NewRegistry(m))
	require.Nil(t, m.Config, "it needs no connection")
	n, err := m.New(nil, notifier.Deps{})
	require.NoError(t, err)
	return n
}

func TestConformance(t *testing.T) {
	t.Parallel()
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, _ string, _ *http.Client) notifier.BaseNotifier {
			t.Helper()
			return open(t, &sink{})
		},
		Destination: stdout.Destination{},
	})
}

func TestAMessageIsPrintedAsPlainText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	receipt, err := open(t, &out).Send(t.Context(), &stdout.Destination{}, notifier.Message{
		Status: notifier.Failure, Title: "train_model\nFAILED", Body: "\nfirst\n\n  second\n",
		Facts: []notifier.Fact{
			{Name: "Execution", Value: "f1", URL: "https://c/f1"},
			{Name: "By", Value: "ada"},
			{Name: "Log", URL: "https://l"},
			{Name: "A very long name of a fact", Value: "x"},
			{Name: "Empty"},
		},
		Error: "Traceback:\r\n  File \"x\"\n\x1b[31mValueError\x1b[0m",
		Links: []notifier.Link{{Text: "Open in the console", URL: "https://c/f1"}, {Text: "https://d", URL: "https://d"}},
		Notes: []string{"the template failed", ""}, Reason: "phase:FAILED", Time: time.Date(2026, 11, 22, 4, 0, 5, 0, time.FixedZone("", 3600)),
	})
	require.NoError(t, err)
	require.Equal(t, `[failure] train_model FAILED
  first

    second
  Execution:            f1 (https://c/f1)
  By:                   ada
  Log:                  https://l
  A very long name of a fact: x
  | Traceback:
  |   File "x"
  | ValueError
  Open in the console (https://c/f1)
  https://d
  note: the template failed
  phase:FAILED, 2026-11-22 03:00:05 UTC

`, out.String())
	require.Equal(t, notifier.Receipt{"bytes": "348"}, receipt)
}

func TestEachMessageIsOneWriteHoweverManyAtOnce(t *testing.T) {
	t.Parallel()
	out := &sink{}
	m := stdout.Manifest(out)
	var all sync.WaitGroup
	for range 50 {
		n, err := m.New(nil, notifier.Deps{}) // every connection its own, the writer shared
		require.NoError(t, err)
		all.Go(func() {
			_, err := n.Send(t.Context(), stdout.Destination{}, notifiertest.Message())
			require.NoError(t, err)
		})
	}
	all.Wait()
	require.Len(t, out.writes, 50)
	for _, text := range out.writes {
		require.Equal(t, stdout.Text(notifiertest.Message()), text)
	}
}

func TestNothingThatATerminalActsUponIsPrinted(t *testing.T) {
	t.Parallel()
	for _, text := range notifiertest.HostileTexts() {
		got := stdout.Text(notifier.Message{
			Status: notifier.Status(text), Title: text, Body: text, Error: text, Reason: text, Notes: []string{text},
			Facts: []notifier.Fact{{Name: text, Value: text, URL: text}}, Links: []notifier.Link{{Text: text, URL: text}},
		})
		require.Equal(t, notifier.Printable(got), got)
		require.True(t, strings.HasPrefix(got, "[info] "), "%.40q", got)
		require.Equal(t, 1, strings.Count(got, "["+string(notifier.Info)+"]")+strings.Count(text, "[info]"))
	}
}

// failing fails after so many bytes.
type failing int

func (f failing) Write([]byte) (int, error) { return int(f), errors.New("broken pipe") }

type short struct{}

func (short) Write(p []byte) (int, error) { return len(p) - 1, nil }

func TestAFailedWriteHasItsVerdict(t *testing.T) {
	t.Parallel()
	for w, want := range map[io.Writer]notifier.Verdict{failing(0): notifier.Retry, failing(3): notifier.Unknown, short{}: notifier.Unknown} {
		n := open(t, w)
		for range 2 { // the writer is free again after a failure
			_, err := n.Send(t.Context(), stdout.Destination{}, notifiertest.Message())
			verdict, _ := notifier.VerdictOf(err)
			require.Equal(t, want, verdict, "%v", err)
		}
	}
}

// blocking blocks until it is released.
type blocking chan struct{}

func (b blocking) Write(p []byte) (int, error) { <-b; return len(p), nil }

func TestABlockedWriterHoldsNobodyLongerThanTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(blocking)
		n := open(t, release)
		send := func() notifier.Verdict {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := n.Send(ctx, stdout.Destination{}, notifiertest.Message())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			verdict, _ := notifier.VerdictOf(err)
			return verdict
		}
		require.Equal(t, notifier.Unknown, send(), "its write is under way")
		require.Equal(t, notifier.Retry, send(), "it never wrote")
		close(release)
		_, err := n.Send(t.Context(), stdout.Destination{}, notifiertest.Message())
		require.NoError(t, err)
	})
}

func TestTheDestinationIsOnePlace(t *testing.T) {
	t.Parallel()
	d := stdout.Manifest(nil).Destination()
	require.Equal(t, "stdout", d.Address())
	require.Equal(t, []string{"stdout"}, notifier.Addresses(d))
}
