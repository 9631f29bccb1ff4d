// Package delivery is the outbox: it takes pending deliveries from the store and sends each to
// its destination, surely and in order. It alone retries.
//
//	store.Outbox → lane → prepare (message, destination, allow) → look → Begin → Send → Settle
//
// A lane is one destination of one connection. Lanes do not wait for each other, so a service that
// hangs holds up nobody else's messages. The start of every attempt is committed before the call:
// an attempt found open later has an unknown outcome, and the service is asked before anything is
// sent again.
package delivery
