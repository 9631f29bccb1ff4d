package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/preview"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE",
		Short: "Check a server config or a task spec, and list every problem with its path",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			what, problems, warnings := validate(data)
			for _, w := range warnings {
				fmt.Fprintln(c.OutOrStdout(), "warning:", w.String())
			}
			if len(problems) > 0 {
				fmt.Fprint(c.OutOrStdout(), config.Problems(problems))
				return failedf("%s is not a valid %s: %d problems", args[0], what, len(problems))
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is a valid %s\n", args[0], what)
			return nil
		},
	}
}

// validate judges a file as what its keys say it is. No secret is read.
func validate(data []byte) (what string, problems, warnings []notifier.Problem) {
	registry := builtin.Registry(io.Discard)
	tree, err := strict.YAML(data)
	if err != nil {
		return "YAML file", []notifier.Problem{{Text: err.Error()}}, nil
	}
	kind := preview.KindOf(tree)
	switch kind {
	case preview.Task:
		task, problems := spec.ParseTask(tree, spec.Env{Registry: registry})
		if task != nil {
			warnings = task.Warnings()
		}
		return string(kind), problems, warnings
	case preview.Send:
		_, problems = spec.ParseSend(tree, spec.Env{Registry: registry})
		return string(kind), problems, nil
	}
	c, problems := config.Parse(data, os.Environ(), registry)
	if c != nil {
		problems, warnings = c.Broken, c.Warnings()
	}
	return string(kind), problems, warnings
}
