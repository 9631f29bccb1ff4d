package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/preview"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

// rendering is what the flags of render say.
type rendering struct {
	rule, phase, execution, configFile string
	count                              int
	asJSON                             bool
}

func renderCommand() *cobra.Command {
	var o rendering
	c := &cobra.Command{
		Use:   "render FILE",
		Short: "Show what rules would tell, of a sample or of a real execution",
		Long: "Show the messages of the rules in a task spec, a notification_send spec, or the subscriptions of a server config, and\n" +
			"where each would go. Nothing is sent. Without --execution the facts are those of a sample that the rule tells of.",
		Example: `  flyte-notifier render examples/failed.yaml --phase ABORTED
  flyte-notifier render config.yaml --rule production-failures/failed --execution ml/production/f8d3a1c9e27b`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), c.OutOrStdout(), args[0]) },
	}
	f := c.Flags()
	f.StringVar(&o.rule, "rule", "", "only the rule of this name; of a subscription: its name, / and the rule's")
	f.StringVar(&o.phase, "phase", "", "the phase to tell of, for rules with several; default: the first")
	f.StringVar(&o.execution, "execution", "", "a real execution, PROJECT/DOMAIN/NAME; needs a server config")
	f.StringVar(&o.configFile, "config", "", "the server's config file, if FILE is not one: for flyteadmin, default connections and allow lists")
	f.IntVar(&o.count, "count", 0, "which reminder to show; default: the first message")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object a line for each destination, with what Slack would be posted")
	return c
}

func (o rendering) run(ctx context.Context, out io.Writer, path string) error {
	file, err := o.load(path)
	if err != nil {
		return err
	}
	x, err := o.open(ctx, file.Config)
	if err != nil {
		return err
	}
	defer x.close()
	declaring, err := x.declaring(ctx, file)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	file.Declare(declaring)
	rules, err := file.Select(o.rule, o.phase)
	if err != nil {
		return failedf("%s: %w", path, err)
	}
	maker := preview.Maker{Registry: builtin.Registry(io.Discard), Config: file.Config, Count: o.count}
	var all []preview.Told
	failed := 0
	for _, r := range rules {
		at, err := x.occasion(ctx, r, o.phase)
		if err != nil {
			return &exitError{exitFailed, err}
		}
		told, err := maker.Make(r, at)
		if err != nil {
			return &exitError{exitFailed, err}
		}
		for _, t := range told {
			if t.Failed() {
				failed++
			}
		}
		all = append(all, told...)
	}
	if err := o.print(out, all); err != nil {
		return &exitError{exitFailed, err}
	}
	if len(file.Broken) > 0 {
		return failedf("rules that cannot be compiled are left out:\n%s", strings.TrimSpace(config.Problems(file.Broken)))
	}
	if failed > 0 {
		return failedf("%d of %d messages would not be sent as they are written", failed, len(all))
	}
	return nil
}

// load reads the file, and with it the server's config if one is given or it is one.
func (o rendering) load(path string) (*preview.File, error) {
	file, err := loadRules(path)
	if err != nil {
		return nil, err
	}
	if o.configFile != "" {
		server, err := loadRules(o.configFile)
		if err != nil {
			return nil, err
		}
		if server.Config == nil {
			return nil, failedf("%s is not a server config", o.configFile)
		}
		file.Config = server.Config
	}
	return file, nil
}

// loadRules reads a file; what it says wrong is one error that lists it.
func loadRules(path string) (*preview.File, error) {
	file, err := preview.Load(path, builtin.Registry(io.Discard))
	if problems, ok := errors.AsType[*preview.ProblemsError](err); ok {
		return nil, failedf("%s is invalid: %w", path, problems)
	}
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return file, nil
}

// executionID reads PROJECT/DOMAIN/NAME, before which an org may stand.
func executionID(text string) (flyte.ExecutionID, error) {
	parts := strings.Split(text, "/")
	org := ""
	if len(parts) == 4 {
		org, parts = parts[0], parts[1:]
	}
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return flyte.ExecutionID{}, fmt.Errorf("must be PROJECT/DOMAIN/NAME, not %q", text)
	}
	return flyte.ExecutionID{Scope: flyte.Scope{Org: org, Project: parts[0], Domain: parts[1]}, Name: parts[2]}, nil
}

func (o rendering) print(out io.Writer, all []preview.Told) error {
	if !o.asJSON {
		preview.Print(out, all)
		return nil
	}
	for _, t := range all {
		for _, line := range t.Lines() {
			if err := printLine(out, line); err != nil {
				return err
			}
		}
	}
	return nil
}
