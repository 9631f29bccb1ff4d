package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func sendCommand() *cobra.Command {
	var configFile, connection, title, body string
	var to []string
	c := &cobra.Command{
		Use:   "send",
		Short: "Send a test message through a connection, after checking its credentials",
		Example: `  flyte-notifier send --config config.yaml --connection team-slack --to 'channel="#ml-alerts"'
  flyte-notifier send --config config.yaml --connection mail --to 'to=[ml@example.org]'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(configFile)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), 2*cfg.Delivery.Timeout)
			defer cancel()
			now := time.Now().UTC()
			data := render.Data{Reason: "test", Error: body, At: now}
			conn, dest, err := target(cfg, c.OutOrStdout(), connection, to, data)
			if err != nil {
				return err
			}
			m := notifier.Message{
				Key: store.DeliveryID(fmt.Sprint("test ", now.UnixNano())), Status: notifier.Info,
				Title: title, Body: body, Reason: data.Reason, Time: now,
				Vars: map[string]any{"Reason": data.Reason, "Error": data.Error},
			}
			return sendTest(ctx, c.OutOrStdout(), conn, dest, m)
		},
	}
	configFlag(c, &configFile)
	f := c.Flags()
	f.StringVar(&connection, "connection", "", "the connection to send through (required)")
	f.StringArrayVar(&to, "to", nil, "a key of the destination and its value in YAML, as channel=C0123; may be repeated; templates know .Reason (test), .Error (the body) and .At")
	f.StringVar(&title, "title", "Test from flyte-notifier", "the message's title")
	f.StringVar(&body, "body", "If you can read this, the connection works.", "the message's body")
	if err := c.MarkFlagRequired("connection"); err != nil {
		panic(err) // the flag was defined above
	}
	return c
}

// target finds the connection and makes the destination of what the flags give, as the server would: with the keys that
// the connection adds, and rendered.
func target(cfg *config.Config, out io.Writer, name string, to []string, data render.Data) (*notifier.Connection, notifier.Destination, error) {
	registry := builtin.Registry(out)
	connections, problems := cfg.Build(registry, app.Deps())
	for _, conn := range connections.All() {
		if conn.Name != name {
			continue
		}
		raw, err := destination(to, conn.Config)
		if err != nil {
			return nil, nil, &exitError{exitUsage, err}
		}
		place, err := spec.Addressed(registry, conn.Kind, raw, data)
		if err != nil {
			return nil, nil, failedf("--to: %w", err)
		}
		if len(place.LeftOut) > 0 {
			return nil, nil, failedf("--to: %s", notifier.Join(place.LeftOut))
		}
		return conn, place.Destination, nil
	}
	own := slices.DeleteFunc(problems, func(p notifier.Problem) bool { return !strings.HasPrefix(p.Path, strict.Key("connections", name)+".") })
	if len(own) > 0 {
		return nil, nil, &exitError{exitFailed, &app.ConfigError{Problems: own}}
	}
	return nil, nil, failedf("unknown connection %q%s", name, strict.Suggest(name, slices.Sorted(maps.Keys(cfg.Connections))))
}

// destination makes the destination's keys from key=value pairs and what the connection's config adds.
func destination(to []string, config any) (json.RawMessage, error) {
	keys := map[string]any{}
	for _, pair := range to {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("--to %q: must be key=value", pair)
		}
		tree, err := strict.YAML([]byte(value))
		if err != nil {
			return nil, fmt.Errorf("--to %q: %w", pair, err)
		}
		keys[key] = tree
	}
	spec.Fill(keys, config)
	return json.Marshal(keys)
}

func sendTest(ctx context.Context, out io.Writer, conn *notifier.Connection, d notifier.Destination, m notifier.Message) error {
	if checker, ok := conn.Notifier.(notifier.Checker); ok {
		if err := checker.Check(ctx); err != nil {
			return failedf("check %s: %w", conn.Name, err)
		}
		fmt.Fprintf(out, "%s: credentials are accepted\n", conn.Name)
	}
	if adviser, ok := conn.Notifier.(notifier.Adviser); ok {
		advice, err := adviser.Advise(ctx)
		if err != nil {
			return failedf("check %s: %w", conn.Name, err)
		}
		for _, line := range advice {
			fmt.Fprintf(out, "%s: %s\n", conn.Name, line)
		}
	}
	d, err := exact(ctx, out, conn, d)
	if err != nil {
		return err
	}
	receipt, err := conn.Notifier.Send(ctx, d, m)
	if err != nil {
		verdict, _ := notifier.VerdictOf(err)
		return failedf("send through %s to %s: %w (%s)", conn.Name, d.Address(), err, verdict)
	}
	fmt.Fprintf(out, "delivered to %s %v\n", d.Address(), map[string]string(receipt))
	return nil
}

// exact asks the service for the destination's exact name, where it has such, and judges by all its names whether the
// connection allows it, as the server does before it sends.
func exact(ctx context.Context, out io.Writer, conn *notifier.Connection, d notifier.Destination) (notifier.Destination, error) {
	var found notifier.Resolved
	resolver, resolves := conn.Notifier.(notifier.Resolver)
	if resolves {
		var err error
		if found, err = resolver.Resolve(ctx, d); err != nil {
			return nil, failedf("find %s: %w", d.Address(), err)
		}
	}
	if err := conn.Allow.CheckDestination(d, found.Names...); err != nil {
		return nil, failedf("--to: %w", err)
	}
	if !resolves {
		return d, nil
	}
	if named, ok := d.(notifier.Exact); ok && found.ID != "" {
		fmt.Fprintf(out, "%s: %s is %s\n", conn.Name, d.Address(), found.ID)
		return named.WithID(found.ID), nil
	}
	fmt.Fprintf(out, "%s: %s is used as it is written: the service does not tell its exact name\n", conn.Name, d.Address())
	return d, nil
}
