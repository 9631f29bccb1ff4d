package slack

import (
	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// maxAnswer bounds what is read of an answer: a full page of history is far smaller.
const maxAnswer = 8 << 20

// call is one use of the API: the library's client, and what its HTTP exchanges showed that the
// library's errors do not tell. A call's requests follow each other.
type call struct {
	*exchange.Way
	api    *slack.Client
	joined bool // a channel was joined, or that was tried
}

// call prepares one use of the API with the token as it is now.
func (n *Notifier) call() (*call, error) {
	token, err := n.config.Token.Value()
	if err != nil {
		return nil, notifier.Retry.Errorf("slack: token: %w", err)
	}
	way := exchange.Service{Name: Kind, Secrets: []string{token}, Most: maxAnswer, Client: n.http}.Way()
	// The library sends the token in the body: way.HTTP follows no redirect, which would carry it elsewhere.
	api := slack.New(token, slack.OptionHTTPClient(way.HTTP()), slack.OptionAPIURL(n.config.base()))
	return &call{Way: way, api: api}, nil
}
