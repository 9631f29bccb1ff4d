package store

import (
	"maps"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Remark is what a service told of a delivery after it had been sent.
type Remark struct {
	ID        string           // of the delivery; one that is not there is passed over
	Events    []Event          // for the timeline of its watch, in their order
	Receipt   notifier.Receipt // keys that the receipt of a Delivered one has from now on, beside its own
	LastError string           // of a Delivered one from now on; empty: that stays
}

// Shows says whether the row of a delivery in this state changes by the remark.
func (r Remark) Shows(s DeliveryState) bool {
	return s == Delivered && (len(r.Receipt) > 0 || r.LastError != "")
}

// On is the receipt that a delivery has after the remark, if it had this one before.
func (r Remark) On(before notifier.Receipt) notifier.Receipt {
	after := notifier.Receipt{}
	maps.Copy(after, before)
	maps.Copy(after, r.Receipt)
	return after
}
