package flyte

import (
	"context"
	"time"
)

// wallClock tells the time as flyteadmin's may be compared with, and when it was set meanwhile.
type wallClock struct {
	now  func() time.Time
	wall time.Time // of the last look; zero before the first
	mono time.Time
}

// look returns the time, and by how much the clock was set since the last look.
func (c *wallClock) look() (wall time.Time, step time.Duration) {
	wall, mono := c.now().Round(0), time.Now()
	if !c.wall.IsZero() {
		step = wall.Sub(c.wall) - mono.Sub(c.mono)
	}
	c.wall, c.mono = wall, mono
	return wall, step
}

// unfelt is the smallest step that is looked at: clocks that are being corrected run a little fast or
// slow.
const unfelt = 10 * time.Millisecond

// blindRounds is how many rounds go without the time filter after a step: the first since what the
// last round began with may be in flyteadmin's future, the second since that of the first may be.
const blindRounds = 2

// filter returns what a round that starts now reads by: the time to filter by, zero for everything.
func (p *poller) filter(ctx context.Context) (start, since time.Time, by Look) {
	start, step := p.clock.look()
	ahead := p.since.Sub(start) // a former holder's clock may be ahead of ours
	if limit := max(p.overlap/2, unfelt); step.Abs() > limit || !p.since.IsZero() && ahead > limit {
		p.blind = blindRounds
		p.log.WarnContext(ctx, "a clock was set; two rounds read everything", "shard", p.shard.String(), "step", max(step.Abs(), ahead))
	}
	if p.since.IsZero() || p.blind > 0 {
		return start, time.Time{}, ByStart
	}
	return start, p.recent(start), ByTime
}

// recent is what a read by time reads from; never from the future.
func (p *poller) recent(now time.Time) time.Time {
	since := p.since
	if now.Before(since) {
		since = now
	}
	return since.Add(-p.overlap)
}
