package smtp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/smtpsim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/smtp"
)

// steps are all of a dialogue, and what it comes to when the connection is lost there.
var steps = []struct {
	step smtpsim.Step
	lost notifier.Verdict
}{
	{smtpsim.Greeting, notifier.Retry},
	{smtpsim.Hello, notifier.Retry},
	{smtpsim.Login, notifier.Retry},
	{smtpsim.From, notifier.Retry},
	{smtpsim.To, notifier.Retry},
	{smtpsim.Data, notifier.Unknown},
	{smtpsim.End, notifier.Unknown},
}

func verdict(t testing.TB, want notifier.Verdict, err error, what ...any) {
	t.Helper()
	got, _ := notifier.VerdictOf(err)
	require.Equal(t, want, got, append(what, err)...)
	if err != nil {
		require.Regexp(t, `^smtp: `, err.Error())
		require.NotContains(t, err.Error(), password)
	}
}

// large is a mail that does not fit into any buffer on its way.
func large() notifier.Message {
	m := notifiertest.Message()
	m.Error = strings.Repeat("a line of a very long traceback, of which there are many more of the same kind than anybody reads\n", 8<<10)
	m.Vars = map[string]any{"Error": m.Error}
	return m
}

func TestAConnectionLostAtEachStep(t *testing.T) {
	t.Parallel()
	login := smtpsim.Options{Username: "flyte", Password: password}
	implicit := login
	implicit.Implicit = true
	for _, o := range []smtpsim.Options{login, implicit} {
		for _, s := range steps {
			sim, n := start(t, o)
			sim.Fail(smtpsim.Fault{Step: s.step, Reset: true})
			_, err := n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
			if s.step == smtpsim.Data { // the mail's end may be on its way already, or not
				got, _ := notifier.VerdictOf(err)
				require.Contains(t, []notifier.Verdict{notifier.Retry, notifier.Unknown}, got, "%v", err)
			} else {
				verdict(t, s.lost, err, "%s: %v", s.step)
			}
			require.Empty(t, sim.Mails())
			_, err = n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
			require.NoError(t, err, "a new connection each time")
		}
	}
}

func TestAMailWithoutItsEndWasNotTaken(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{})
	sim.Fail(smtpsim.Fault{Step: smtpsim.Data, Reset: true})
	_, err := n.Send(t.Context(), to("ada@example.org"), large())
	verdict(t, notifier.Retry, err)
	require.ErrorContains(t, err, "smtp: the mail: ")
}

func TestAnAnswerLostAfterTheEndIsUnknown(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{})
	sim.Fail(smtpsim.Fault{Step: smtpsim.End, Reset: true, Store: true})
	first, err := n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
	verdict(t, notifier.Unknown, err)
	require.Nil(t, first)
	_, err = n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
	require.NoError(t, err)
	mails := sim.Mails()
	require.Len(t, mails, 2)
	require.Equal(t, read(t, mails[0].Raw).header["Message-Id"], read(t, mails[1].Raw).header["Message-Id"], "copies can be told")
}

// TestTheContextEndsEachStep hangs, or drips, at each step, and cancels. A loaded machine may be slow to notice, but not
// ten times.
func TestTheContextEndsEachStep(t *testing.T) {
	t.Parallel()
	const promptly, tries = 100 * time.Millisecond, 10
	for _, drip := range []bool{false, true} {
		for _, s := range steps {
			t.Run(string(s.step), func(t *testing.T) {
				t.Parallel()
				least := time.Minute
				for range tries {
					if least = min(least, canceledAt(t, s.step, s.lost, drip)); least < promptly {
						break
					}
				}
				require.Less(t, least, promptly, "the soonest return of %d", tries)
			})
		}
	}
}

// canceledAt cancels a send at a step, and says how long it went on.
func canceledAt(t *testing.T, step smtpsim.Step, lost notifier.Verdict, drip bool) time.Duration {
	t.Helper()
	sim, n := start(t, smtpsim.Options{Username: "flyte", Password: password})
	sim.Fail(smtpsim.Fault{Step: step, Hang: !drip, Drip: drip})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	done := make(chan error, 1)
	go func() {
		_, err := n.Send(ctx, to("ada@example.org"), notifiertest.Message())
		done <- err
	}()
	require.True(t, sim.Met(1, time.Minute))
	begun, why := time.Now(), errors.New("the test has seen enough")
	cancel(why)
	select {
	case err := <-done:
		took := time.Since(begun)
		if step == smtpsim.Data { // see above
			lost, _ = notifier.VerdictOf(err)
			require.NotEqual(t, notifier.Permanent, lost)
		}
		verdict(t, lost, err, "%s: %v", step)
		require.ErrorIs(t, err, why)
		return took
	case <-time.After(time.Minute):
		require.Fail(t, "the send did not return after the cancel")
		return time.Minute
	}
}

func TestACanceledContextSendsNothing(t *testing.T) {
	t.Parallel()
	sim, n := start(t, smtpsim.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Send(ctx, to("ada@example.org"), notifiertest.Message())
	verdict(t, notifier.Retry, err)
	require.Zero(t, sim.Transactions())
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	_, n := start(t, smtpsim.Options{}, func(c *smtp.Config) { c.Port = 1 }) // where nobody listens
	_, err := n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
	verdict(t, notifier.Retry, err)
	verdict(t, notifier.Retry, n.Check(t.Context()))
}

func TestRefusedRecipients(t *testing.T) {
	t.Parallel()
	fault := func(address string, code int, text string) smtpsim.Fault {
		return smtpsim.Fault{Step: smtpsim.To, Address: address, Code: code, Text: text}
	}
	for name, c := range map[string]struct {
		faults  []smtpsim.Fault
		verdict notifier.Verdict
		text    string // of the receipt or the error
		reached []string
	}{
		"one of three for good":        {[]smtpsim.Fault{fault("b@x.org", 550, "5.1.1 no such user")}, notifier.Delivered, "b@x.org: 550 5.1.1 no such user", []string{"a@x.org", "c@x.org"}},
		"all for good":                 {[]smtpsim.Fault{{Step: smtpsim.To, Code: 550, Text: "5.1.1 no such user", Times: 3}}, notifier.Permanent, "smtp: RCPT TO c@x.org: 550 5.1.1 no such user (check the address)", nil},
		"all greylisted":               {[]smtpsim.Fault{{Step: smtpsim.To, Code: 450, Text: "4.2.0 Greylisted", Times: 3}}, notifier.Retry, "smtp: RCPT TO c@x.org: 450 4.2.0 Greylisted (the server takes it later)", nil},
		"one domain not found":         {[]smtpsim.Fault{fault("b@x.org", 450, "4.1.2 Domain not found")}, notifier.Delivered, "b@x.org: 450 4.1.2 Domain not found", []string{"a@x.org", "c@x.org"}},
		"one not to be reached":        {[]smtpsim.Fault{fault("b@x.org", 451, "4.4.3 no name server")}, notifier.Delivered, "b@x.org: 451 4.4.3 no name server", []string{"a@x.org", "c@x.org"}},
		"no domain found":              {[]smtpsim.Fault{{Step: smtpsim.To, Code: 450, Text: "4.1.2 Domain not found", Times: 3}}, notifier.Retry, "smtp: RCPT TO a@x.org: 450 4.1.2 Domain not found (check the address)", nil},
		"the sender's is not found":    {[]smtpsim.Fault{fault("b@x.org", 450, "4.1.8 Sender address rejected")}, notifier.Retry, "smtp: RCPT TO b@x.org: 450 4.1.8 Sender address rejected (check the connection's from)", nil},
		"a domain, and greylisting":    {[]smtpsim.Fault{fault("a@x.org", 450, "4.1.2 Domain not found"), fault("b@x.org", 450, "4.2.0 Greylisted")}, notifier.Retry, "smtp: RCPT TO b@x.org: 450 4.2.0 Greylisted (the server takes it later)", nil},
		"one too many":                 {[]smtpsim.Fault{fault("c@x.org", 452, "4.5.3 too many")}, notifier.Retry, "(too many recipients for the server: give fewer addresses, or several destinations)", nil},
		"one greylisted":               {[]smtpsim.Fault{fault("a@x.org", 451, "4.7.1 later")}, notifier.Retry, "smtp: RCPT TO a@x.org: 451 4.7.1 later", nil},
		"one greylisted, one for good": {[]smtpsim.Fault{fault("a@x.org", 451, "later"), fault("b@x.org", 550, "never")}, notifier.Retry, "smtp: RCPT TO a@x.org: 451 later", nil},
		"one mailbox full":             {[]smtpsim.Fault{fault("a@x.org", 452, "4.2.2 over quota")}, notifier.Delivered, "a@x.org: 452 4.2.2 over quota", []string{"b@x.org", "c@x.org"}},
		"all mailboxes full":           {[]smtpsim.Fault{{Step: smtpsim.To, Code: 452, Text: "4.2.2 over quota", Times: 3}}, notifier.Retry, "over quota (the mailbox is full)", nil},
		"full, then unknown":           {[]smtpsim.Fault{fault("a@x.org", 452, "4.2.2 over quota"), {Step: smtpsim.To, Code: 550, Text: "5.1.1 no such user", Times: 2}}, notifier.Retry, "smtp: RCPT TO a@x.org: 452 4.2.2 over quota (the mailbox is full)", nil},
		"unknown, then full":           {[]smtpsim.Fault{fault("c@x.org", 452, "4.2.2 over quota"), {Step: smtpsim.To, Code: 550, Text: "5.1.1 no such user", Times: 2}}, notifier.Retry, "smtp: RCPT TO c@x.org: 452 4.2.2 over quota (the mailbox is full)", nil},
		"the server leaves":            {[]smtpsim.Fault{fault("a@x.org", 421, "4.3.2 closing")}, notifier.Retry, "smtp: RCPT TO a@x.org: 421 4.3.2 closing", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, n := start(t, smtpsim.Options{})
			for _, f := range c.faults {
				sim.Fail(f)
			}
			receipt, err := n.Send(t.Context(), to("a@x.org", "b@x.org", "c@x.org"), notifiertest.Message())
			verdict(t, c.verdict, err)
			if c.reached == nil {
				require.Empty(t, sim.Mails())
				require.ErrorContains(t, err, c.text)
				return
			}
			require.Equal(t, c.text, receipt["refused"])
			require.Equal(t, c.reached, sim.Mails()[0].To)
		})
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	login := smtpsim.Options{Username: "flyte", Password: password}
	for name, c := range map[string]struct {
		fault   smtpsim.Fault
		change  func(*smtp.Config)
		verdict notifier.Verdict
		want    string
	}{
		"wrong user":  {smtpsim.Fault{}, func(c *smtp.Config) { c.Username = "eve" }, notifier.Permanent, "smtp: AUTH: 535 5.7.8 bad credentials (check username and password; an account with a second factor needs a password for applications)"},
		"nobody":      {smtpsim.Fault{}, func(c *smtp.Config) { c.Username, c.Password = "", notifier.Secret{} }, notifier.Permanent, "smtp: MAIL FROM flyte@example.org: 530 5.7.0 log in first (give the connection a username and a password)"},
		"sender":      {smtpsim.Fault{Step: smtpsim.From, Code: 553, Text: "5.7.1 not yours"}, nil, notifier.Permanent, "smtp: MAIL FROM flyte@example.org: 553 5.7.1 not yours (the server does not let this user send from this address to that one)"},
		"login later": {smtpsim.Fault{Step: smtpsim.Login, Code: 454, Text: "4.7.0 out of order"}, nil, notifier.Retry, "smtp: AUTH: 454 4.7.0 out of order"},
		"system's CA": {smtpsim.Fault{}, func(c *smtp.Config) { c.CA = "" }, notifier.Retry, "(check host, or give the CA of its certificate as ca)"},
		"repeats it":  {smtpsim.Fault{Step: smtpsim.Login, Code: 535, Text: "5.7.8 " + password + " is wrong"}, nil, notifier.Permanent, "smtp: AUTH: 535 5.7.8 <secret> is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := c.change
			if change == nil {
				change = func(*smtp.Config) {}
			}
			sim, n := start(t, login, change)
			if c.fault.Step != "" {
				sim.Fail(c.fault)
			}
			err := n.Check(t.Context())
			verdict(t, c.verdict, err)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, sim.Mails())
		})
	}
}

func TestAnotherNameIsNotTheServers(t *testing.T) {
	t.Parallel()
	sim := smtpsim.New(smtpsim.Options{})
	t.Cleanup(sim.Close)
	n, err := smtp.New(smtp.Config{Host: "127.0.0.2", Port: sim.Port(), TLS: "implicit", From: "a@example.org", CA: file(t, sim.CA())})
	require.NoError(t, err)
	verdict(t, notifier.Retry, n.Check(t.Context()))
	require.Zero(t, sim.Transactions())
}

func TestNothingIsSentWithoutTLS(t *testing.T) {
	t.Parallel()
	for _, o := range []smtpsim.Options{{Clear: true}, {Clear: true, Username: "flyte", Password: password}} {
		sim, n := start(t, o, func(c *smtp.Config) { c.TLS = "starttls" })
		_, err := n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
		verdict(t, notifier.Permanent, err)
		require.ErrorContains(t, err, "the server offers no STARTTLS")
		require.Zero(t, sim.Transactions())
	}
}

// A server that says "later" to EHLO takes HELO perhaps, which tells nothing of what it offers.
func TestAServerThatSaysLaterToEHLOIsAskedLater(t *testing.T) {
	t.Parallel()
	for _, code := range []int{421, 450, 451} {
		sim, n := start(t, smtpsim.Options{Username: "flyte", Password: password})
		sim.Fail(smtpsim.Fault{Step: smtpsim.Hello, Code: code, Text: "busy"})
		_, err := n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
		verdict(t, notifier.Retry, err)
		require.ErrorContains(t, err, "smtp: EHLO: ")
		_, err = n.Send(t.Context(), to("ada@example.org"), notifiertest.Message())
		require.NoError(t, err)
	}
}

func TestPasswordIsReadForEveryMail(t *testing.T) {
	t.Parallel()
	path := file(t, []byte("old"))
	_, n := start(t, smtpsim.Options{Username: "flyte", Password: password}, func(c *smtp.Config) { c.Password = notifier.Secret{File: path} })
	verdict(t, notifier.Permanent, n.Check(t.Context()))
	rewrite(t, path, password)
	require.NoError(t, n.Check(t.Context()))
	rewrite(t, path, "")
	err := n.Check(t.Context())
	verdict(t, notifier.Retry, err)
	require.ErrorContains(t, err, "smtp: password: secret file:")
}
