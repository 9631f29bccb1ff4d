package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/explain"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

func explainCommand() *cobra.Command {
	var configFile, execution, watch string
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain RULE",
		Short: "Say why a rule fires for an execution or does not",
		Long: "Say why a rule fires for an execution or does not: the execution's facts as flyteadmin has them now, the rule's\n" +
			"condition and if, what was told already, and what is to come. A rule of a subscription is SUBSCRIPTION/RULE.",
		Example: `  flyte-notifier explain slow --execution ml/production/f8d3a1 --config config.yaml
  flyte-notifier explain production-failures/failed --execution ml/production/f8d3a1 --config config.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := executionID(execution)
			if err != nil {
				return fmt.Errorf("--execution: %w", err)
			}
			file, err := loadRules(configFile)
			if err != nil {
				return err
			}
			if file.Config == nil {
				return failedf("%s is not a server config", configFile)
			}
			q := explain.Question{Rule: args[0], Execution: id, Watch: watch, Subscriptions: file.Rules, Honoring: file.Honoring}
			found, err := ask(c.Context(), file.Config, q)
			if err != nil && len(file.Broken) > 0 {
				err = fmt.Errorf("%w\nrules that cannot be compiled are left out:\n%s", err, strings.TrimSpace(config.Problems(file.Broken)))
			}
			if err == nil {
				err = printFindings(c.OutOrStdout(), found, asJSON)
			}
			if err != nil {
				return &exitError{exitFailed, err}
			}
			return nil
		},
	}
	configFlag(c, &configFile)
	c.Flags().StringVar(&execution, "execution", "", "the execution: PROJECT/DOMAIN/NAME (required)")
	c.Flags().StringVar(&watch, "watch", "", "only this watch of the execution, as watches lists it")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line for each rule of that name")
	if err := c.MarkFlagRequired("execution"); err != nil {
		panic(err) // the flag was defined above
	}
	return c
}

// ask opens the store and flyteadmin of the config for a question.
func ask(ctx context.Context, c *config.Config, q explain.Question) ([]explain.Finding, error) {
	st, err := app.OpenStore(ctx, c)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	admin, err := app.OpenAdmin(ctx, c)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	return explain.Sources{
		Store: st, Now: time.Now,
		Facts: func(ctx context.Context, id flyte.ExecutionID, node string, rules ...spec.Rule) (executor.Facts, error) {
			return app.Facts(ctx, admin, id, node, rules...)
		},
	}.Ask(ctx, q)
}

func printFindings(out io.Writer, found []explain.Finding, asJSON bool) error {
	if !asJSON {
		explain.Print(out, found, time.Now())
		return nil
	}
	for _, f := range found {
		if err := printLine(out, f.Line()); err != nil {
			return err
		}
	}
	return nil
}
