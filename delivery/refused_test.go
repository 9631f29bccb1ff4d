package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// TestWhatIsRefusedHereSaysNothingOfTheService: a message too long, or a secret that cannot be read, is no answer of a
// service that is away.
func TestWhatIsRefusedHereSaysNothingOfTheService(t *testing.T) {
	for name, err := range map[string]error{"for good": notifier.Permanent.Errorf("too long"), "for now": notifier.Retry.Errorf("no such file")} {
		t.Run(name, func(t *testing.T) {
			var tries tally
			s := &service{local: "#bad"}
			s.send = func(_ context.Context, p *place, _ notifier.Message) error {
				if p.Channel == "#bad" {
					return err
				}
				tries.note()
				return notifier.Unavailable(notifier.Retry.Errorf("connection refused"))
			}
			run(t, s, func(b *bench) {
				b.start()
				for i := range 12 {
					b.add(fmt.Sprint("w", i), fmt.Sprint("#", i%6))
				}
				b.pass(5 * time.Minute)
				since := b.outbox.Failing()
				require.Len(b.t, since, 1)
				before := tries.count()
				for i := range 20 {
					b.add(fmt.Sprint("x", i), "#bad")
					b.pass(time.Minute)
				}
				require.Equal(b.t, since, b.outbox.Failing(), "it fails all the time")
				require.Less(b.t, tries.count()-before, 60)
			})
		})
	}
}
