package migrate_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/migrate"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// The variables that make this test binary a copying program, which stops in the middle and waits.
const (
	fromVariable = "FLYTE_NOTIFIER_TEST_MIGRATE_FROM"
	toVariable   = "FLYTE_NOTIFIER_TEST_MIGRATE_TO"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(fromVariable); path != "" {
		copyHalf(path, os.Getenv(toVariable))
	}
	os.Exit(m.Run())
}

func copyHalf(path, url string) {
	_, err := migrate.Run(context.Background(), migrate.Options{From: path, To: postgres.Options{URL: url}, Progress: func(r migrate.Result) {
		if r.Watches >= 500 {
			fmt.Println("half")
			select {} // until it is killed
		}
	}})
	fmt.Println(err)
	os.Exit(1)
}

// A copy that is killed in the middle is begun again, while the target is already at work on what came.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	url, from := pgtest.Database(t), newSource(t)
	const n = 1200
	for i := range n {
		id := fmt.Sprintf("w%04d", i)
		from.put(watch(id), delivery(id, id+"-a"), delivery(id, id+"-b"))
	}
	require.NoError(t, from.Close())

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	half := exec.CommandContext(ctx, os.Args[0])
	half.Env = append(os.Environ(), fromVariable+"="+from.path, toVariable+"="+url)
	out, err := half.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, half.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "half\n", line)
	require.NoError(t, half.Process.Kill())
	require.Error(t, half.Wait())

	to := target(t, url)
	_, err = to.Begin(t.Context(), "w0000-a", 0, time.Now(), nil)
	require.NoError(t, err)
	require.NoError(t, to.Settle(t.Context(), "w0000-a", store.Outcome{Attempt: 1, State: store.Delivered, At: time.Now()}))

	r := run(t, from, url)
	require.Equal(t, n, r.Watches)
	require.Less(t, r.NewWatches, n)
	require.Positive(t, r.NewWatches)
	watches, deliveries, err := to.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[store.WatchState]int{store.Active: n}, watches)
	require.Equal(t, map[store.DeliveryState]int{store.Pending: 2*n - 1, store.Delivered: 1}, deliveries)
	due, err := to.Due(t.Context(), lane(), time.Now(), 2*n)
	require.NoError(t, err)
	require.NotEmpty(t, due)
	for _, d := range due {
		require.Equal(t, d.ID == "w0000-b", strings.HasSuffix(d.ID, "-b"), "the first of each watch, not %s", d.ID)
	}
}
