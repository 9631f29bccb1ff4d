package spec_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

// parsed is the one rule of a task that has nothing wrong.
func parsed(t *testing.T, doc string) spec.Rule {
	t.Helper()
	task, problems := spec.ParseTask(tree(t, doc), server())
	require.Empty(t, problems)
	return task.Rules[0]
}

func TestEveryConditionIsReadAndNamesItsRule(t *testing.T) {
	t.Parallel()
	six := 6 * time.Hour
	for doc, want := range map[string]struct {
		when spec.When
		name string
	}{
		"{phase: [FAILED, TIMED_OUT]}":                {spec.When{Phases: []string{"FAILED", "TIMED_OUT"}}, "phase-failed-timed_out"},
		"{running_for: 2h}":                           {spec.When{Kind: spec.WhenRunningFor, For: 2 * time.Hour}, "running_for-2h"},
		"{running_for: 0s}":                           {spec.When{Kind: spec.WhenRunningFor}, "running_for-0s"},
		"{queued_for: 10m}":                           {spec.When{Kind: spec.WhenQueuedFor, For: 10 * time.Minute}, "queued_for-10m"},
		"{deadline: {in: 6h}}":                        {spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{In: &six}}, "deadline-in-6h"},
		"{deadline: {at: 2026-03-01T18:00:00+01:00}}": {spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{At: time.Date(2026, 3, 1, 17, 0, 0, 0, time.UTC)}}, "deadline-at-2026-03-01t18:00:00+01:00"},
		"{gate: waiting}":                             {spec.When{Kind: spec.WhenGate}, "gate-waiting"},
		"{node: {id: n0-0-n1, phase: [SKIPPED]}}":     {spec.When{Kind: spec.WhenNode, NodeID: "n0-0-n1", NodePhases: []string{"SKIPPED"}}, "node-n0-0-n1-skipped"},
		"{before_timeout: 5m}":                        {spec.When{Kind: spec.WhenBeforeTimeout, For: 5 * time.Minute}, "before_timeout-5m"},
	} {
		r := parsed(t, rule("when: "+doc))
		require.Empty(t, cmp.Diff(want.when, r.When), doc)
		require.Equal(t, want.name, r.Name)
		raw, err := json.Marshal(r)
		require.NoError(t, err)
		var back spec.Rule
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Empty(t, cmp.Diff(r, back, cmpopts.EquateEmpty()), "as it was stored")
	}
	r := parsed(t, rule("when: {deadline: {daily: 18:00 Europe/Paris}}"))
	require.Equal(t, "deadline-daily-18:00-europe/paris", r.Name)
	require.Equal(t, "18:00 Europe/Paris", r.When.Deadline.String())
}

func TestRemindersAndEscalations(t *testing.T) {
	t.Parallel()
	r := parsed(t, rule("repeat: {every: 1h, max: 5}", `escalate: [{after: 30m, send: [{slack: {channel: x}}, {stdout: {}}]}]`))
	require.Equal(t, &spec.Repeat{Every: time.Hour, Max: 5}, r.Repeat)
	require.Equal(t, 30*time.Minute, r.Escalate[0].After)
	require.Equal(t, []string{"rules[0].escalate[0].send[0].slack", "rules[0].escalate[0].send[1].stdout"},
		[]string{r.Escalate[0].Send[0].Path, r.Escalate[0].Send[1].Path})
	r = parsed(t, rule("when: {running_for: 1h}", "repeat: {every: 1h}"))
	require.Equal(t, &spec.Repeat{Every: time.Hour}, r.Repeat, "it is over when the execution ends")
	parsed(t, rule("when: {running_for: 1h}", "repeat: {every: 1h, until: ended}"))
	parsed(t, rule("repeat: {every: 1h, until: acknowledged, max: 3}"))
}

func TestConditionsThatAreRefused(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		rule("when: {running_for: 2}"):                                          `rules[0].when.running_for: must be a duration such as 10m, not "2"`,
		rule("when: {running_for: -2h}"):                                        `rules[0].when.running_for: must not be negative`,
		rule("when: {runing_for: 2h}"):                                          `rules[0].when.runing_for: unknown key, did you mean "running_for"?`,
		rule("when: {running_for: 2h, phase: [FAILED]}"):                        `rules[0].when: must have exactly one key, not 2: phase, running_for`,
		rule("when: {deadline: {}}"):                                            `rules[0].when.deadline: must have exactly one key of at, in and daily`,
		rule("when: {deadline: {in: 1h, daily: 18:00}}"):                        `rules[0].when.deadline: must have exactly one key of at, in and daily`,
		rule("when: {deadline: {at: tomorrow}}"):                                `rules[0].when.deadline.at: must be a time such as 2026-03-01T18:00:00Z (RFC 3339), not "tomorrow"`,
		rule("when: {deadline: {daily: 6pm}}"):                                  `rules[0].when.deadline.daily: must be a time of day and perhaps a time zone, such as 18:00 Europe/Paris, not "6pm"`,
		rule(`when: {deadline: {daily: "24:00"}}`):                              `rules[0].when.deadline.daily: must be a time of day and perhaps a time zone, such as 18:00 Europe/Paris, not "24:00"`,
		rule("when: {deadline: {daily: 18:00 Paris}}"):                          `rules[0].when.deadline.daily: unknown time zone "Paris", must be one such as Europe/Paris`,
		rule("when: {deadline: {daily: 18:00 Local}}"):                          `rules[0].when.deadline.daily: must name a time zone, such as Europe/Paris, not "Local"`,
		rule("when: {gate: open}"):                                              `rules[0].when.gate: must be one of waiting, not "open"`,
		rule("when: {node: {id: n0}}"):                                          `rules[0].when.node.phase: required`,
		rule("when: {node: {id: n0, phase: [SUCCEEDING]}}"):                     `rules[0].when.node.phase[0]: "SUCCEEDING" is a workflow's phase, but a node is watched`,
		rule(`when: {node: {id: "n 0", phase: [FAILED]}}`):                      `rules[0].when.node.id: must consist of letters, digits, '-', '_' and '.', not "n 0"`,
		"watch: {node: n1}\n" + rule("when: {gate: waiting}"):                   `rules[0].when.gate: cannot be together with watch.node`,
		"watch: {node: n1}\n" + rule("when: {node: {id: n0, phase: [FAILED]}}"): `rules[0].when.node: cannot be together with watch.node`,
		rule("when: {recovered: true}"):                                         `rules[0].when.recovered: only subscriptions of the server's config can have this: a task knows one execution`,
		rule("when: {no_success_for: 26h}"):                                     `rules[0].when.no_success_for: only subscriptions of the server's config can have this: a task knows one execution`,
		rule("repeat: {max: 5}"):                                                `rules[0].repeat.every: required`,
		rule("repeat: {every: 0s, max: 5}"):                                     `rules[0].repeat.every: must be longer than 0s`,
		rule("repeat: {every: 1h}"):                                             `rules[0].repeat.max: required: the condition is an end, which is never over by itself`,
		rule("repeat: {every: 1h, max: 0}"):                                     `rules[0].repeat.max: must be at least 1, not 0`,
		rule("repeat: {every: 1h, max: 1, until: ended}"):                       `rules[0].repeat.until: must be acknowledged: the condition is itself an end`,
		rule("escalate: [{send: [{stdout: {}}]}]"):                              `rules[0].escalate[0].after: required`,
		rule("escalate: [{after: 1h, send: [{slack: {}}]}]"):                    `rules[0].escalate[0].send[0].slack.channel: required`,
		rule("escalate: [{after: 1h, send: []}]"):                               `rules[0].escalate[0].send: must have at least 1 entry, not 0`,
		rule("when: {phase: [FAILED]}", `name: "{{x}}|"`):                       "rules[0].name: must be at most 100 bytes, printable and without |",
	} {
		_, problems := spec.ParseTask(tree(t, doc), server())
		require.Equal(t, []string{want}, texts(problems), doc)
	}
}

func TestDeadlineTime(t *testing.T) {
	t.Parallel()
	hour, at := time.Hour, time.Date(2026, 3, 1, 17, 0, 0, 0, time.UTC)
	created, started := at.Add(-2*time.Hour), at.Add(-time.Hour)
	require.Equal(t, at, spec.Deadline{At: at}.Time(created, time.Time{}))
	require.Equal(t, at, spec.Deadline{In: &hour}.Time(created, started))
	require.Zero(t, spec.Deadline{In: &hour}.Time(created, time.Time{}), "it has not started")
	require.Zero(t, spec.Deadline{Daily: daily(t, "18:00")}.Time(time.Time{}, started), "nobody knows when it was created")
	require.Equal(t, at.Add(time.Hour), spec.Deadline{Daily: daily(t, "18:00")}.Time(created, time.Time{}))
}

func daily(t require.TestingT, text string) *spec.Daily {
	var d spec.Daily
	require.NoError(t, d.UnmarshalText([]byte(text)))
	return &d
}

func TestDaily(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ daily, after, want string }{
		"today":                        {"18:00", "2026-03-01T12:00:00Z", "2026-03-01T18:00:00Z"},
		"tomorrow":                     {"18:00", "2026-03-01T18:00:00Z", "2026-03-02T18:00:00Z"},
		"another zone's day":           {"01:00 Asia/Tokyo", "2026-03-01T15:30:00Z", "2026-03-01T16:00:00Z"},
		"winter":                       {"18:00 Europe/Paris", "2026-03-28T00:00:00Z", "2026-03-28T17:00:00Z"},
		"summer":                       {"18:00 Europe/Paris", "2026-03-29T00:00:00Z", "2026-03-29T16:00:00Z"},
		"the hour that is left out":    {"02:30 Europe/Paris", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		"the hour that comes twice":    {"02:30 Europe/Paris", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		"between the two":              {"02:30 Europe/Paris", "2026-10-25T00:45:00Z", "2026-10-26T01:30:00Z"},
		"west of Greenwich":            {"02:30 America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z"},
		"the second midnight is none":  {"00:30 America/Havana", "2026-10-31T12:00:00Z", "2026-11-01T04:30:00Z"},
		"a midnight that is left out":  {"00:15 Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"},
		"midnight itself is left out":  {"00:00 America/Havana", "2026-03-07T12:00:00Z", "2026-03-08T05:00:00Z"},
		"a zone of half an hour":       {"02:15 Australia/Lord_Howe", "2026-10-03T03:00:00Z", "2026-10-03T15:30:00Z"},
		"half an hour that is doubled": {"01:45 Australia/Lord_Howe", "2026-04-04T03:00:00Z", "2026-04-04T14:45:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, err := time.Parse(time.RFC3339, test.after)
			require.NoError(t, err)
			require.Equal(t, test.want, daily(t, test.daily).After(after).UTC().Format(time.RFC3339))
		})
	}
}

func TestDailyComesOnceADay(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "Africa/Cairo", "America/Santiago"}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		clock := spec.Clock{Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: rapid.IntRange(0, 59).Draw(t, "minute")}
		d := daily(t, clock.String()+" "+zone)
		at := time.Date(2026, 1, 1, 0, rapid.IntRange(0, 24*60*365).Draw(t, "minutes"), 0, 0, time.UTC)
		for range 5 {
			next := d.After(at)
			require.True(t, next.After(at), "it moves on")
			require.LessOrEqual(t, next.Sub(at), 26*time.Hour)
			again := d.After(next)
			require.GreaterOrEqual(t, again.Sub(next), 21*time.Hour, "not twice a day")
			require.Equal(t, next, d.After(next.Add(-time.Second)))
			at = next
		}
	})
}
