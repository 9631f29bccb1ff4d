package pagerduty

import (
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Preview returns the event that holds m, without the routing key.
func (d *Destination) Preview(m notifier.Message) (notifier.Preview, error) {
	raw, err := exchange.JSON(d.event(m))
	if err != nil {
		return notifier.Preview{}, fmt.Errorf("preview for pagerduty: %w", err)
	}
	return notifier.Preview{Payload: raw}, nil
}
