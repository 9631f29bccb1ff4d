package pagerduty

import (
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Preview returns the event that holds m, without the routing key.
func (d *Destination) Preview(m notifier.Message) (notifier.Preview, error) {
	e := d.event(m)
	raw, err := exchange.JSON(e)
	if err != nil {
		return notifier.Preview{}, fmt.Errorf("preview for pagerduty: %w", err)
	}
	return notifier.Preview{Text: e.Payload.Summary, Payload: raw}, nil
}
