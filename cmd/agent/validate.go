package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/config"
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
			what, problems := validate(data)
			if len(problems) > 0 {
				fmt.Fprint(c.OutOrStdout(), config.Problems(problems))
				return failedf("%s is not a valid %s: %d problems", args[0], what, len(problems))
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is a valid %s\n", args[0], what)
			return nil
		},
	}
}

// validate judges a file as what its keys say it is: rules make a notification task, send a
// notification_send task, anything else the server's config. No secret is read.
func validate(data []byte) (what string, problems []notifier.Problem) {
	registry := builtin.Registry(io.Discard)
	tree, err := strict.YAML(data)
	if err != nil {
		return "YAML file", []notifier.Problem{{Text: err.Error()}}
	}
	keys, _ := tree.(map[string]any)
	if keys["rules"] != nil || keys["watch"] != nil && keys["connections"] == nil && keys["wait"] != nil {
		_, problems = spec.ParseTask(tree, spec.Env{Registry: registry})
		return "notification task", problems
	}
	if keys["send"] != nil {
		_, problems = spec.ParseSend(tree, spec.Env{Registry: registry})
		return "notification_send task", problems
	}
	_, problems = config.Parse(data, os.Environ(), registry)
	return "server config", problems
}
