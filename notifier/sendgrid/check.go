package sendgrid

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/sendgrid/rest"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Check asks SendGrid whether the API key works and may send mails. Whether the sender is verified
// shows only when a mail is sent.
func (n *Notifier) Check(ctx context.Context) error {
	c, err := n.call()
	if err != nil {
		return err
	}
	answer, err := c.do(ctx, rest.Get, "/v3/scopes", nil)
	if err != nil {
		return exchange.Reading(err)
	}
	if answer.StatusCode != http.StatusOK {
		return exchange.Reading(c.refused(answer))
	}
	var granted struct {
		Scopes []string `json:"scopes"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &granted); err != nil {
		return notifier.RetryAfter(0, errors.New("sendgrid: /v3/scopes answered something else than scopes (check the connection's host)"))
	}
	if !slices.Contains(granted.Scopes, "mail.send") {
		return notifier.Permanent.Errorf("sendgrid: the API key lacks mail.send (%s)", hint(http.StatusForbidden, ""))
	}
	return nil
}
