package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// listing is a command that lists rows of the store, as a table or as JSON lines.
type listing[T any] struct {
	use, short string
	states     []string
	header     []string
	cells      func(row T, now time.Time) []string
	state      func(T) string         // colors the row's state
	line       func(T) any            // what --json prints
	flags      func(c *cobra.Command) // adds those of its own; nil: none
	read       func(ctx context.Context, st store.Store, f store.Filter, yield func(T) error) error
}

func (l listing[T]) command() *cobra.Command {
	var configFile string
	var asJSON bool
	var f store.Filter
	c := &cobra.Command{
		Use: l.use, Short: l.short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.State != "" && !slices.Contains(l.states, f.State) {
				return fmt.Errorf("--state: unknown state %q, must be one of %s", f.State, strings.Join(l.states, ", "))
			}
			st, err := openStore(c, configFile)
			if err != nil {
				return err
			}
			defer st.Close()
			if err := l.print(c, st, f, asJSON); err != nil {
				return &exitError{exitFailed, err}
			}
			return nil
		},
	}
	configFlag(c, &configFile)
	if l.flags != nil {
		l.flags(c)
	}
	c.Flags().StringVar(&f.State, "state", "", "only those in this state: "+strings.Join(l.states, ", "))
	c.Flags().IntVar(&f.Limit, "limit", 0, "only the newest so many, newest first; 0 lists all, oldest first")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return c
}

func (l listing[T]) print(c *cobra.Command, st store.Store, f store.Filter, asJSON bool) error {
	out := c.OutOrStdout()
	if asJSON {
		return l.read(c.Context(), st, f, func(row T) error { return printLine(out, l.line(row)) })
	}
	t, now := newTable(out, l.header...), time.Now()
	err := l.read(c.Context(), st, f, func(row T) error {
		t.row(l.state(row), l.cells(row, now)...)
		return nil
	})
	if err != nil {
		return err
	}
	return t.flush()
}
