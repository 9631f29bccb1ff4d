// Package delivery is the outbox: it takes pending deliveries from the store and sends each to
// its destination, surely and in order. It alone retries.
//
//	store.Outbox → lane ┐
//	store.Queue → hands ┴→ line: prepare (message, destination, allow) → join (thread) → look → Begin → Send → Settle
//
// A store either is asked what is due, lane by lane, or hands deliveries out by itself, to many
// servers. The steps of a delivery are the same; those that were handed out do not wait for long.
//
// A lane is one destination of one connection. Lanes do not wait for each other, so a service that
// hangs holds up nobody else's messages. The start of every attempt is committed before the call:
// an attempt found open later has an unknown outcome, and the service is asked before anything is
// sent again.
//
// Messages about one execution may belong together in a lane, as a thread or as one message that is edited (see
// notifier.Threaded): a note says where that is, and which delivery is at it. So it is with messages that say how one
// thing stands (see notifier.Stateful): none is sent that would undo a later one. Before a reminder, services are asked
// whether somebody has acknowledged what it reminds of.
package delivery
