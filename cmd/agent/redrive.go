package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func redriveCommand() *cobra.Command {
	var configFile string
	c := &cobra.Command{
		Use:   "redrive ID...",
		Short: "Send dead (or silenced) deliveries again; a running server takes them up within seconds",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			st, err := openStore(c, configFile)
			if err != nil {
				return err
			}
			defer st.Close()
			refused, err := st.Redrive(c.Context(), ids, time.Now().UTC())
			if err != nil {
				return failedf("redrive: %w", err)
			}
			for _, id := range ids {
				if _, no := refused[id]; !no {
					fmt.Fprintln(c.OutOrStdout(), id, "is pending again")
				}
			}
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
		},
	}
	configFlag(c, &configFile)
	return c
}
