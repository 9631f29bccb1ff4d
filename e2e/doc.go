// Package e2e runs the built agent the way a cluster does: the real FlytePropeller drives it.
//
// Every test has a world of its own: a Kubernetes API with the FlyteWorkflow resource, a
// FlytePropeller process, a flyteadmin, Slack and SendGrid, and the agent binary, all on loopback.
// Between FlytePropeller and the agent stands a recorder, so that a test knows every call and its
// status code. FlytePropeller is this test binary, executed again (see TestMain).
//
// This is a Go module of its own, so that FlytePropeller's dependencies stay out of the agent's.
package e2e
