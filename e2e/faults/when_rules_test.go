package faults

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
)

// The times of the rules. They are short, so that much happens between two kills.
const (
	lastsFor      = time.Second // then an execution lasts too long
	remindEvery   = 1500 * time.Millisecond
	escalateAfter = 2 * time.Second
	remindMost    = 2 // of the rule that has a limit
	groupWait     = time.Second
	groupEvery    = 2 * time.Second
	groups        = 4 // workflows that fail
	quietLeast    = 12 * time.Second
)

// The projects of executions, by what is told of them. The executions of tasked alone have a task.
const (
	tasked     = "tasked"     // they last too long
	subscribed = "subscribed" // so do these
	grouped    = "grouped"    // they fail together
	quiet      = "quiet"      // they end in quiet hours
	plain      = "plain"      // they end
	hushed     = "hushed"     // they end; somebody silences some of them
	unselected = "unselected" // by any subscription
)

// titled is the message of every rule: what is told, for the ledger.
var titled = object{"title": "[{{.Name}}] {{.Rule}} {{.Repeat}} {{.Escalation}}"}

// tale is one thing that is told of an execution.
type tale struct {
	name, rule       string
	repeat, escalate int
}

var title = regexp.MustCompile(`\[([a-z0-9-]+)\] ([a-z]+) (\d+) (\d+)`)

// tells are all that a text tells of: a digest has a title for each.
func tells(text string) (all []tale) {
	for _, found := range title.FindAllStringSubmatch(text, -1) {
		repeat, _ := strconv.Atoi(found[3])
		escalate, _ := strconv.Atoi(found[4])
		all = append(all, tale{found[1], found[2], repeat, escalate})
	}
	return all
}

// lasting are the rules for executions that last too long, and for their end.
func lasting() list {
	late := object{"running_for": lastsFor.String()}
	return list{
		object{
			"name": "slow", "when": late, "if": `name startsWith "slow"`, "send": labeled(), "message": titled,
			"repeat":   object{"every": remindEvery.String()},
			"escalate": list{object{"after": escalateAfter.String(), "send": list{object{"slack": object{"channel": "#" + channel(0)}}}}},
		},
		object{
			"name": "twice", "when": late, "if": `name startsWith "twice"`, "send": labeled(), "message": titled,
			"repeat": object{"every": remindEvery.String(), "max": remindMost},
		},
		ended(object{}),
	}
}

// ended is a rule for any end, with more keys.
func ended(more object) object {
	rule := object{"name": "ended", "when": object{"phase": list{"SUCCEEDED", "FAILED"}}, "send": labeled(), "message": titled}
	for key, value := range more {
		rule[key] = value
	}
	return rule
}

// labeled sends to the channel that the execution's label names.
func labeled() list { return list{object{"slack": object{"channel": "#{{.Labels.channel}}"}}} }

// subscriptions are all that the tests have, with these quiet hours. What is late is sent nevertheless.
func subscriptions(hours object) list {
	var all list
	for name, rules := range map[string]list{
		subscribed: lasting(),
		grouped: {ended(object{"group": object{
			"by": list{"workflow"}, "wait": groupWait.String(), "every": groupEvery.String(),
		}})},
		quiet:  {ended(object{"quiet": hours})},
		plain:  {ended(object{})},
		hushed: {ended(object{})},
	} {
		match := object{"project": name, "domain": "production"}
		if name == plain {
			match["project"] = plain + "*"
		}
		all = append(all, object{"name": name, "match": match, "catch_up": "send", "rules": rules})
	}
	return all
}

// quietFor are quiet hours that end some seconds from now: they end with a minute.
func quietFor(now time.Time) object {
	const clock = "15:04"
	end := now.UTC().Add(quietLeast).Truncate(time.Minute).Add(time.Minute)
	return object{"times": list{end.Add(-2*time.Hour).Format(clock) + "-" + end.Format(clock)}}
}

// subscribe gives every server the subscriptions.
func subscribe(all list) setting {
	return func(a *agentproc.Config) {
		text, err := json.Marshal(all)
		if err != nil {
			panic(err) // an error of the test
		}
		a.Subscriptions = string(text)
	}
}
