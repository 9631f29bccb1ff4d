// Package faults breaks what several servers on one store stand on, while executions come and go:
// servers are killed, replaced and cut off, Postgres is restarted and fails over, a store is moved or
// damaged. Whatever happens: what was accepted is told, Slack has it once, and others take over soon. That
// holds for reminders and escalations, digests, subscriptions and launch plans' histories as well.
//
// Here FlytePropeller is only its calls: a caller that turns to the next server, and repeats, when one
// fails. Flyteadmin, Slack and SendGrid are simulated, over real connections; the servers are
// processes of the built binary, and Postgres is Postgres.
//
// TestChaos has every service fail at random, in all ways, while servers are killed; docs/guarantees.md has its figures.
//
// `go test ./faults -run Killed -chaos 5m` kills for as long as one likes. With
// FLYTE_NOTIFIER_RELEASED_BIN naming an earlier release's binary, upgrades from it are tested, too. The
// tests that cut networks need root.
package faults
