package postgres

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/riverqueue/river"
)

// commonQueue is of the deliveries whose connection has no queue: none was named, no server works for it, or
// River does not take its name.
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
	names := map[string]bool{commonQueue: true}
	for _, c := range connections {
		names[queueOf(c)] = true
	}
	poll := fetchPoll
	if j.poll {
		poll = blindFetch
	}
	poll = max(poll, time.Duration(len(names))*pollShare)
	all := map[string]river.QueueConfig{}
	for name := range names {
		all[name] = river.QueueConfig{MaxWorkers: maxWorkers, FetchPollInterval: poll}
	}
	return all
}

// rehome hands jobs that are overdue in a queue that no server works on to all servers: its connection was
// removed from their configs, and somebody has to say so. Servers report their queues at their start, and each 10
// minutes.
func (s *Store) rehome(ctx context.Context) error {
	const move = `UPDATE flyte_notifier.river_job j SET queue = $1
		WHERE j.state = 'available' AND j.kind = $2 AND j.queue <> $1 AND j.scheduled_at < now() - interval '1 minute'
		AND NOT EXISTS (SELECT FROM flyte_notifier.river_queue q WHERE q.name = j.queue AND q.updated_at > now() - interval '25 minutes')`
	if _, err := s.pool.Exec(ctx, move, commonQueue, deliveryKind); err != nil {
		return fmt.Errorf("hand over jobs of connections that are gone: %w", err)
	}
	return nil
}
