// Command bench measures the built agent: beside the limit (a Go server that does nothing), beside
// the peer (flytekit's own connector server, which keeps its tasks in memory), and beside what a
// user would do without it (ask flyteadmin for each execution alone). It prints one table.
//
// The agent, the limit, the peer and the loner are processes of their own, so that /proc tells what
// each costs; this process is all that is around them: FlytePropeller's calls, the simulated
// flyteadmin, and the service that takes the messages. Numbers of one run belong together; those
// of two machines do not.
package main
