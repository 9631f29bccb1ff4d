package config_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// connected is a config with connections to which a test adds subscriptions.
const connected = minimal + `
connections:
  team: {slack: {token: {env: A}}}
  narrow: {quiet: {times: ["22:00-07:00"], zone: Europe/Paris}, slack: {token: {env: A}}, allow: {scopes: ["ml/production"], destinations: ["#ml-*"]}}
  mail: {sendgrid: {api_key: {env: B}, from: flyte@example.org}}
defaults: {slack: team, sendgrid: mail}
subscriptions:
`

// accepted is a config that the notifiers of the server have nothing against.
func accepted(t *testing.T, doc string) *config.Config {
	t.Helper()
	c, problems := config.Parse([]byte(doc), nil, builtin.Registry(io.Discard))
	require.Empty(t, problems)
	return c
}

// refused are the problems of a config as texts.
func refused(doc string) (texts []string) {
	_, problems := config.Parse([]byte(doc), nil, builtin.Registry(io.Discard))
	for _, p := range problems {
		texts = append(texts, p.String())
	}
	return texts
}

func TestSubscriptionsAreRead(t *testing.T) {
	t.Parallel()
	c := accepted(t, connected+`
  - name: production-failures
    match: {project: "*", domain: production, workflow: "train*", launch_plan: nightly, user: ada, trigger: schedule, labels: {team: "ml*"}}
    catch_up: skip
    honor_launch_plan_notifications: true
    rules:
      - {name: failed, when: {phase: [FAILED]}, send: [{slack: {channel: "#ml"}}]}
      - {name: silent, when: {no_success_for: 26h}, send: [{slack: {connection: narrow, channel: "#ml-x"}}]}
      - {name: rate, when: {failure_rate: {of: 20, at_least: 5}}, send: [{stdout: {}}]}
  - {name: second, rules: [{name: back, when: {recovered: true}, send: [{stdout: {}}]}]}
`)
	require.Empty(t, c.Broken)
	require.Equal(t, "22:00-07:00", c.Connections["narrow"].Quiet.Times[0].String())
	require.Nil(t, c.Connections["team"].Quiet)
	first, second := c.Subscriptions[0], c.Subscriptions[1]
	require.Equal(t, spec.Match{
		Project: "*", Domain: "production", Workflow: "train*", LaunchPlan: "nightly", User: "ada",
		Trigger: spec.TriggerSchedule, Labels: map[string]string{"team": "ml*"},
	}, first.Match)
	require.Equal(t, spec.CatchUpSkip, first.CatchUp)
	require.Equal(t, spec.CatchUpDigest, second.CatchUp)
	require.Equal(t, "team", first.Rules[0].Send[0].Connection, "the default connection")
	require.Equal(t, &spec.Rate{Of: 20, AtLeast: 5}, first.Rules[2].When.Rate)
	honored := first.Honor.Rule("declared", []string{"FAILED"}, []string{"a@example.org"})
	require.Equal(t, "mail", honored.Send[0].Connection)
	require.JSONEq(t, `{"to": ["a@example.org"]}`, string(honored.Send[0].Destination))
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	rule := func(keys string) string {
		return "  - {name: x, rules: [{" + keys + "}]}"
	}
	for doc, want := range map[string]string{
		"  - {rules: [{name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]}]}": `subscriptions[0].name: required`,
		"  - {name: x}": `subscriptions[0].rules: required`,
		"  - {name: x, match: {projct: ml}, rules: [{name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]}]}":                                                       `subscriptions[0].match.projct: unknown key, did you mean "project"?`,
		"  - {name: x, match: {project: \"[a\"}, rules: [{name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]}]}":                                                  `subscriptions[0].match.project: malformed pattern "[a"`,
		"  - {name: x, match: {trigger: cron}, rules: [{name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]}]}":                                                    `subscriptions[0].match.trigger: must be one of schedule, manual, not "cron"`,
		"  - {name: x, catch_up: all, rules: [{name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]}]}":                                                             `subscriptions[0].catch_up: must be one of send, digest, skip, not "all"`,
		rule("when: {phase: [FAILED]}, send: [{stdout: {}}]"):                                                                                                         `subscriptions[0].rules[0].name: required: what a rule has told is remembered under its name`,
		rule("name: y, when: {phase: [FAILD]}, send: [{stdout: {}}]"):                                                                                                 `subscriptions[0].rules[0].when.phase[0]: unknown workflow phase "FAILD", did you mean "FAILED"?`,
		rule("name: y, when: {recovered: false}, send: [{stdout: {}}]"):                                                                                               `subscriptions[0].rules[0].when.recovered: must be true`,
		rule("name: y, when: {failure_rate: {of: 5, at_least: 6}}, send: [{stdout: {}}]"):                                                                             `subscriptions[0].rules[0].when.failure_rate.at_least: must be at most 5, which is of, not 6`,
		rule("name: y, when: {phase: [FAILED]}, send: [{slack: {connection: gone, channel: x}}]"):                                                                     `subscriptions[0].rules[0].send[0].slack.connection: unknown connection "gone"`,
		rule("name: y, when: {phase: [FAILED]}, send: [{slack: {connection: narrow, channel: x}}]"):                                                                   `subscriptions[0].rules[0].send[0].slack.channel: the connection does not allow destination #x`,
		rule("name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]}, {name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]"):                                      `subscriptions[0].rules[1].name: "y" is the name of subscriptions[0].rules[0] already`,
		rule("name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]") + "\n" + rule("name: y, when: {phase: [FAILED]}, send: [{stdout: {}}]"):                        `subscriptions[1].name: "x" is the name of subscriptions[0] already`,
		"  - {name: x, match: {project: web, domain: production}, rules: [{name: y, when: {phase: [FAILED]}, send: [{slack: {connection: narrow, channel: ml-x}}]}]}": `subscriptions[0].rules[0].send[0].slack.connection: the connection does not allow scope web/production`,
	} {
		require.Equal(t, []string{want}, refused(connected+doc), doc)
	}
	require.Equal(t, []string{`connections.team.quiet.times[0]: must be a time span such as 22:00-07:00, not "night"`},
		refused(minimal+"connections: {team: {quiet: {times: [night]}, slack: {token: {env: A}}}}"))
	require.Equal(t, []string{`subscriptions[0].honor_launch_plan_notifications: needs defaults.sendgrid or defaults.smtp: Flyte's own notifications are all sent as e-mail`},
		refused(minimal+"subscriptions: [{name: x, honor_launch_plan_notifications: true}]"))
}

func TestABrokenRuleStopsNoOther(t *testing.T) {
	t.Parallel()
	c := accepted(t, connected+`
  - name: x
    rules:
      - {name: a, when: {phase: [FAILED]}, if: "phse == 1", send: [{stdout: {}}]}
      - {name: b, when: {phase: [FAILED]}, send: [{slack: {channel: "{{.Channel}}"}}], message: {title: "{{"}}
      - {name: c, when: {phase: [FAILED]}, send: [{stdout: {}}]}
`)
	require.Len(t, c.Subscriptions[0].Rules, 1)
	require.Equal(t, "c", c.Subscriptions[0].Rules[0].Name)
	require.Equal(t, `subscriptions[0].rules[0].if: unknown variable "phse", did you mean "phase"? (line 1, column 1)
subscriptions[0].rules[1].message.title: line 1: unclosed action
subscriptions[0].rules[1].send[0].slack.channel: line 1:2: unknown variable .Channel
`, config.Problems(c.Broken))
}

func TestQuietHoursThatNeverEndTogetherAreWarnedOf(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string][]string{
		`{quiet: {times: ["07:00-22:00"], zone: Europe/Paris}, send: [{slack: {connection: narrow, channel: "#ml-x"}}]}`: {
			"subscriptions[0].rules[1].quiet: never ends together with connections.narrow.quiet: each message is held for up to 8 days",
		},
		`{quiet: {times: ["06:00-12:00", "12:00-23:00"]}, send: [{slack: {channel: "#ml"}}], escalate: [{after: 1h, send: [{slack: {connection: narrow, channel: "#ml-x"}}, {slack: {connection: narrow, channel: "#ml-y"}}]}]}`: {
			"subscriptions[0].rules[1].quiet: never ends together with connections.narrow.quiet: each message is held for up to 8 days",
		},
		`{quiet: {times: ["08:00-22:00"], zone: Europe/Paris}, send: [{slack: {connection: narrow, channel: "#ml-x"}}]}`: nil,
		`{quiet: {days: [mon, tue, wed, thu, fri, sat]}, send: [{slack: {connection: narrow, channel: "#ml-x"}}]}`:       nil,
		`{quiet: {times: ["07:00-22:00"], zone: Europe/Paris}, send: [{slack: {channel: "#ml"}}]}`:                       nil,
		`{send: [{slack: {connection: narrow, channel: "#ml-x"}}]}`:                                                      nil,
	} {
		c := accepted(t, connected+`
  - name: s
    match: {project: ml, domain: production}
    rules:
      - {name: broken, when: {phase: [FAILED]}, if: "phaze", send: [{stdout: }]}
      - {name: x, when: {running_for: 2h}, `+rule[1:])
		var got []string
		for _, p := range c.Warnings() {
			got = append(got, p.String())
		}
		require.Equal(t, want, got, rule)
	}
}

func TestWarningOfWhatIsForgottenTooEarly(t *testing.T) {
	for retention, want := range map[string][]string{
		"":                             nil,
		"retention: {deliveries: 24h}": nil,
		"retention: {deliveries: 1h}": {
			"retention.deliveries: shorter than delivery.max_age (24h0m0s): what became of a message is forgotten while others of its rule are still tried, " +
				"which fallbacks and tasks that wait go by",
		},
		"retention: {deliveries: 1h}\ndelivery: {max_age: 1h}": nil,
	} {
		var got []string
		for _, p := range accepted(t, minimal+"\n"+retention).Warnings() {
			got = append(got, p.String())
		}
		require.Equal(t, want, got, retention)
	}
}
