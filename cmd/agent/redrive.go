package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// redriveAtOnce is how many deliveries one transaction brings back: a server writes in between.
const redriveAtOnce = 200

// redrive is what the command was told.
type redrive struct {
	ids         []string
	selection   selection
	all, dryRun bool
}

func redriveCommand() *cobra.Command {
	var configFile string
	var r redrive
	c := &cobra.Command{
		Use:   "redrive ID... | redrive --connection NAME ... | redrive --all",
		Short: "Send dead (or silenced) deliveries again; a running server takes them up within seconds",
		Long: "Send dead (or silenced) deliveries again, by their ids; or all dead ones that the filters select.\n" +
			"A running server takes them up within seconds. Silenced ones are redriven by their ids only.\n" +
			"Filters and --all leave out the fallbacks of what they select, and (short of --rule ops) old alerts of the server's own.",
		RunE: func(c *cobra.Command, ids []string) error {
			r.ids = ids
			if err := r.check(); err != nil {
				return err
			}
			st, err := openStore(c, configFile)
			if err != nil {
				return err
			}
			defer st.Close()
			return r.run(c, st)
		},
	}
	configFlag(c, &configFile)
	r.selection.flags(c)
	c.Flags().BoolVar(&r.all, "all", false, "all dead deliveries")
	c.Flags().BoolVar(&r.dryRun, "dry-run", false, "only say which would be sent again")
	return c
}

// check says what is wrong with the command line: it must say clearly what it is for.
func (r *redrive) check() error {
	filtered := !r.selection.empty()
	switch {
	case len(r.ids) > 0 && (filtered || r.all || r.dryRun):
		return errors.New("redrive takes ids, or filters, or --all")
	case filtered && r.all:
		return errors.New("redrive takes filters or --all, not both")
	case len(r.ids) == 0 && !filtered && !r.all:
		return errors.New("redrive requires at least 1 arg(s), a filter or --all")
	}
	return nil
}

func (r *redrive) run(c *cobra.Command, st store.Store) error {
	if len(r.ids) == 0 {
		var err error
		if r.ids, err = r.dead(c.Context(), st); err != nil {
			return failedf("redrive: %w", err)
		}
	}
	refused, n := map[string]store.DeliveryState{}, 0
	for ids := range slices.Chunk(r.ids, redriveAtOnce) {
		if !r.dryRun {
			no, err := st.Redrive(c.Context(), ids, time.Now().UTC())
			if err != nil {
				return failedf("redrive, after %d: %w", n, err)
			}
			maps.Copy(refused, no)
		}
		for _, id := range ids {
			if _, no := refused[id]; !no {
				n++
				fmt.Fprintln(c.OutOrStdout(), id, r.became())
			}
		}
	}
	return refusal(refused)
}

func (r *redrive) became() string {
	if r.dryRun {
		return "would be pending again"
	}
	return "is pending again"
}

// dead finds what the filters select. All are read first: what is redriven meanwhile may be dead again.
func (r *redrive) dead(ctx context.Context, st store.Store) (ids []string, err error) {
	now, sends := time.Now(), map[string]bool{}
	var all []store.Delivery
	err = st.Deliveries(ctx, store.Filter{State: string(store.Dead)}, func(d store.Delivery) error {
		if !r.selection.has(d, now) || d.WatchID == delivery.OpsName && r.selection.rule == "" {
			return nil
		}
		all = append(all, store.Delivery{ID: d.ID, Key: d.Key})
		if of, is := strings.CutSuffix(step(d.Key), "send"); is {
			sends[of] = true
		}
		return nil
	})
	for _, d := range all {
		// Its message is sent after all; a fallback that is selected without it is meant.
		if of, is := strings.CutSuffix(step(d.Key), "fallback"); is && sends[of] {
			continue
		}
		ids = append(ids, d.ID)
	}
	return ids, err
}

// step is a delivery's key without the number of the destination in the step.
func step(key string) string { return key[:max(strings.LastIndexByte(key, '['), 0)] }

// refusal is the error that names what could not be redriven.
func refusal(refused map[string]store.DeliveryState) error {
	if len(refused) == 0 {
		return nil
	}
	var why []string
	for _, id := range slices.Sorted(maps.Keys(refused)) {
		state := string(refused[id])
		if state == "" {
			state = "unknown"
		}
		why = append(why, fmt.Sprintf("%s is %s", brief(id, 40), state))
	}
	return failedf("not redriven, only dead and silenced deliveries can be: %s", strings.Join(why, ", "))
}
