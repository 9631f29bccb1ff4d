// Package agent is the gRPC face of flyte-notifier: the AsyncAgentService, SyncAgentService and
// AgentMetadataService of flyteidl (flyteidl/service/agent.proto), over spec, store and executor.
//
// Nothing here sends, and nothing here calls flyteadmin. FlytePropeller counts the errors of
// GetTask over a task's life and gives up for good after six, and a CreateTask error burns the
// user's retries within milliseconds; so a bad spec is accepted and then FAILED by GetTask, and
// GetTask answers RUNNING when in doubt.
package agent
