package spec_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/spec"
)

func TestWhatKeepsARuleFromTellingTooMuch(t *testing.T) {
	t.Parallel()
	r := parsed(t, rule("for: 5m", "group: {by: [workflow, labels.team], wait: 1m, every: 10m}",
		`quiet: {times: ["22:00-07:00", "12:00-13:00"], zone: Europe/Paris, days: [mon, Friday]}`, "inhibit: {parent: true}"))
	require.Equal(t, 5*time.Minute, r.For)
	require.Equal(t, &spec.Group{By: []string{"workflow", "labels.team"}, Wait: time.Minute, Every: 10 * time.Minute}, r.Group)
	require.True(t, r.Inhibit)
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"quiet":{"times":["22:00-07:00","12:00-13:00"],"zone":"Europe/Paris","days":["mon","fri"]}`)
	var back spec.Rule
	require.NoError(t, json.Unmarshal(raw, &back))
	require.Equal(t, r.Quiet.Until(begin), back.Quiet.Until(begin))
	require.Equal(t, &spec.Group{Wait: 30 * time.Second, Every: 5 * time.Minute}, parsed(t, rule("group: {}")).Group)
}

// begin is a Wednesday at noon, UTC.
var begin = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestNoiseThatIsRefused(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		rule("for: 5"):                                                `rules[0].for: must be a duration such as 10m, not "5"`,
		rule("group: {by: [workfow]}"):                                `rules[0].group.by[0]: unknown key "workfow", did you mean "workflow"?, must be one of project, domain, workflow, launch_plan, name, user, phase, reason, error_code and labels.NAME`,
		rule("group: {by: []}"):                                       `rules[0].group.by: must have at least 1 entry, not 0`,
		rule("quiet: {}"):                                             `rules[0].quiet: must have times or days`,
		rule(`quiet: {times: ["22-7"]}`):                              `rules[0].quiet.times[0]: must be a time span such as 22:00-07:00, not "22-7"`,
		rule(`quiet: {times: ["22:00-25:00"]}`):                       `rules[0].quiet.times[0]: must be a time span such as 22:00-07:00, not "22:00-25:00"`,
		rule(`quiet: {times: ["00:00-24:00"]}`):                       `rules[0].quiet: never ends`,
		rule(`quiet: {days: [someday]}`):                              `rules[0].quiet.days[0]: must be a day of the week, mon to sun, not "someday"`,
		rule(`quiet: {days: [mon], zone: Nowhere}`):                   `rules[0].quiet.zone: unknown time zone "Nowhere", must be one such as Europe/Paris`,
		rule("inhibit: {}"):                                           `rules[0].inhibit.parent: required`,
		rule("inhibit: {parent: false}"):                              `rules[0].inhibit.parent: must be true`,
		rule("when: {phase: [SUCCEEDED]}", "inhibit: {parent: true}"): `rules[0].inhibit: needs a phase that is a failure: FAILING, FAILED, TIMED_OUT, ABORTING or ABORTED`,
	} {
		_, problems := spec.ParseTask(tree(t, doc), server())
		require.Equal(t, []string{want}, texts(problems), doc)
	}
}

func TestQuietUntil(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ quiet, now, until string }{
		"awake":                {`times: ["22:00-07:00"]`, "2026-11-25T12:00:00Z", ""},
		"at night":             {`times: ["22:00-07:00"]`, "2026-11-25T23:00:00Z", "2026-11-26T07:00:00Z"},
		"in the morning":       {`times: ["22:00-07:00"]`, "2026-11-25T06:59:59Z", "2026-11-25T07:00:00Z"},
		"it is over":           {`times: ["22:00-07:00"]`, "2026-11-25T07:00:00Z", ""},
		"in a zone":            {`times: ["22:00-07:00"], zone: Asia/Tokyo`, "2026-11-25T12:00:00Z", ""},
		"at night in a zone":   {`times: ["22:00-07:00"], zone: Asia/Tokyo`, "2026-11-25T13:00:00Z", "2026-11-25T22:00:00Z"},
		"spans that touch":     {`times: ["22:00-24:00", "00:00-07:00"]`, "2026-11-25T23:00:00Z", "2026-11-26T07:00:00Z"},
		"a day that it begins": {`times: ["22:00-07:00"], days: [wed]`, "2026-11-26T05:00:00Z", "2026-11-26T07:00:00Z"},
		"a day that it ends":   {`times: ["22:00-07:00"], days: [thu]`, "2026-11-26T05:00:00Z", ""},
		"a weekend":            {`days: [sat, sun]`, "2026-11-28T01:00:00Z", "2026-11-30T00:00:00Z"},
		"the hour comes twice": {`times: ["22:00-07:00"], zone: Europe/Paris`, "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"},
		"an hour is left out":  {`times: ["22:00-07:00"], zone: Europe/Paris`, "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := parsed(t, rule("quiet: {"+test.quiet+"}")).Quiet
			now, err := time.Parse(time.RFC3339, test.now)
			require.NoError(t, err)
			until := ""
			if end := q.Until(now); !end.IsZero() {
				until = end.UTC().Format(time.RFC3339)
			}
			require.Equal(t, test.until, until)
		})
	}
}

func TestQuietHoursAreOverWhenTheyEnd(t *testing.T) {
	t.Parallel()
	q := parsed(t, rule(`quiet: {times: ["22:00-07:00", "06:30-08:15", "12:00-13:00"], zone: America/St_Johns, days: [mon, tue, sat]}`)).Quiet
	rapid.Check(t, func(t *rapid.T) {
		now := begin.Add(time.Duration(rapid.IntRange(0, 366*24*60).Draw(t, "minutes")) * time.Minute)
		end := q.Until(now)
		if end.IsZero() {
			return
		}
		require.True(t, end.After(now))
		require.Zero(t, q.Until(end), "nothing is held at the end")
		require.Equal(t, end, q.Until(end.Add(-time.Second)))
	})
	require.Zero(t, (*spec.Quiet)(nil).Until(begin))
}

func TestQuietHoursOfSeveralEndWithinAWeekAndADay(t *testing.T) {
	t.Parallel()
	quiet := func(text string) *spec.Quiet { return parsed(t, rule("quiet: {"+text+"}")).Quiet }
	night, day := quiet(`times: ["22:00-07:00"], zone: Europe/Paris`), quiet(`times: ["07:00-22:00"], zone: Europe/Paris`)
	weekdays, weekend := quiet("days: [mon, tue, wed, thu, fri]"), quiet("days: [sat, sun]")
	for name, test := range map[string]struct {
		all     []*spec.Quiet
		endless bool
	}{
		"none":                     {nil, false},
		"one":                      {[]*spec.Quiet{night, nil}, false},
		"with an hour between":     {[]*spec.Quiet{night, quiet(`times: ["08:00-22:00"], zone: Europe/Paris`)}, false},
		"day and night":            {[]*spec.Quiet{night, day}, true},
		"the week and its end":     {[]*spec.Quiet{weekdays, weekend}, true},
		"zones, in the winter":     {[]*spec.Quiet{night, quiet(`times: ["06:00-21:00"]`)}, true},
		"zones that leave an hour": {[]*spec.Quiet{weekdays, quiet(`days: [sat, sun], zone: Asia/Tokyo`)}, false},
	} {
		require.Equal(t, test.endless, spec.Endless(test.all...), name)
		rapid.Check(t, func(t *rapid.T) {
			now := begin.Add(time.Duration(rapid.IntRange(0, 366*24*60).Draw(t, "minutes")) * time.Minute)
			end := spec.UntilAll(now, test.all...)
			if end.IsZero() {
				return
			}
			require.True(t, end.After(now))
			require.LessOrEqual(t, end.Sub(now), 8*24*time.Hour)
			if !test.endless {
				require.Zero(t, spec.UntilAll(end, test.all...), "nothing is held at the end")
			}
		})
	}
}
