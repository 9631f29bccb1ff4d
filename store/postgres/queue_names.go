package postgres

import (
	"regexp"
	"time"

	"github.com/riverqueue/river"
)

// commonQueue is of the deliveries whose connection has no queue: there is none (standard output), no server works
// for it, or River does not take its name (one with two hyphens or underscores together, or one at an end).
const commonQueue = "deliveries"

// queueName is what River takes for a queue.
var queueName = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

// queueOf returns the queue of a connection's deliveries: a queue for each, so that a backlog of one waits
// in its own, and people can pause one by its name.
func queueOf(connection string) string {
	if len(connection) > 64 || !queueName.MatchString(connection) {
		return commonQueue
	}
	return connection
}

// queues are those that a server with these connections works on.
func (j *jobs) queues(connections []string) map[string]river.QueueConfig {
	all := map[string]river.QueueConfig{commonQueue: {}}
	for _, c := range connections {
		all[queueOf(c)] = river.QueueConfig{}
	}
	poll := fetchPoll
	if j.poll {
		poll = blindFetch
	}
	poll = max(poll, time.Duration(len(all))*pollShare)
	for name := range all {
		all[name] = river.QueueConfig{MaxWorkers: maxWorkers, FetchPollInterval: poll}
	}
	return all
}
