package render

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

const (
	titleRunes = 250
	factRunes  = 300
	errorRunes = 2000
)

// Message makes the message that a delivery with this key sends. There always is one. A title
// from the template replaces the default one; a body from it replaces facts and error, while the
// links stay; either that renders to nothing leaves the default. Where the template fails, the
// message is the default one with a note saying so, and templateErr says why.
func Message(c Content, key string) (m notifier.Message, templateErr error) {
	if c.Digest != nil {
		return c.Digest.message(c.Data, key), nil
	}
	m = defaultMessage(c.Data, key)
	title, body, err := c.Template.render(c.Data)
	if err != nil {
		m.Notes = append(m.Notes, "This is the default message, because the template of the rule's message failed: "+oneLine(err.Error(), factRunes))
	} else {
		m.Title = cmp.Or(title, m.Title)
		if body != "" {
			m.Body, m.Facts, m.Error, m.Markdown = body, nil, "", c.Template.Markdown
		}
	}
	if out := c.leftOut(); out != nil {
		m.Notes = append(m.Notes, "What a template of the destination came to could not be used, and was left out: "+oneLine(out.Error(), factRunes))
		if err != nil {
			out = fmt.Errorf("%w; %w", err, out)
		}
		return m, out
	}
	return m, err
}

// leftOut is what is wrong with the destination's templates, in one line.
func (c Content) leftOut() error {
	if len(c.LeftOut) == 0 {
		return nil
	}
	return errors.New(notifier.Join(c.LeftOut))
}

func (t Template) render(d Data) (title, body string, err error) {
	if title, err = String(t.Title, d); err != nil {
		return "", "", fmt.Errorf("render title: %w", err)
	}
	if t.Markdown {
		body, err = rich(t.Body, d)
	} else {
		body, err = String(t.Body, d)
	}
	if err != nil {
		return "", "", fmt.Errorf("render body: %w", err)
	}
	return oneLine(title, titleRunes), strings.Trim(notifier.Printable(body), "\n\t "), nil
}

// defaultMessage says what happened without any template.
func defaultMessage(d Data, key string) notifier.Message {
	m := notifier.Message{
		Key:    key,
		Status: d.status(),
		Title:  defaultTitle(d),
		Facts:  facts(d),
		Error:  excerpt(strings.TrimSpace(notifier.Printable(d.Error)), errorRunes),
		Reason: d.Reason,
		Time:   d.At.UTC(),
		Vars:   d.variables().byName(),
	}
	if console := web(d.ConsoleURL); console != "" {
		m.Links = []notifier.Link{{Text: "Open in the Flyte console", URL: console}}
	}
	return m
}

// facts are what is known of the execution, in the order in which people ask for it.
func facts(d Data) []notifier.Fact {
	var all []notifier.Fact
	add := func(name, value, url string) {
		if value = oneLine(value, factRunes); value != "" {
			all = append(all, notifier.Fact{Name: name, Value: value, URL: url})
		}
	}
	add("Phase", d.Phase, "")
	add("Workflow", withVersion(d.Workflow, d.WorkflowVersion), "")
	add("Execution", d.Name, web(d.ConsoleURL))
	add("Project", joined(d.Project, " / ", d.Domain), "")
	add("Launch plan", d.LaunchPlan, "")
	add("Started by", d.User, "")
	if d.Elapsed > 0 {
		add("Duration", humanize(d.Elapsed), "")
	}
	add("Node", d.Node, "")
	add("Failed node", d.FailedNode, "")
	if d.ErrorKind != "ABORTED" { // the phase says it
		add("Error kind", joined(d.ErrorKind, ", ", prefixed("code ", d.ErrorCode)), "")
	}
	if d.Reason != "send" && !strings.HasPrefix(d.Reason, "phase:") { // those need no telling
		add("Reason", d.Reason, "")
	}
	if d.History.Failures > 0 {
		add("Failures in a row", strconv.Itoa(d.History.Failures), "")
		add("Failing since", Time{d.History.Since}.String(), "")
	}
	if d.History != (History{}) {
		add("Last success", Time{d.History.LastSuccess}.String(), "")
	}
	add("Answer type", d.Gate.Type, "")
	add("Answer", d.Gate.answer(d), "")
	if d.Repeat > 0 {
		text := strconv.Itoa(d.Repeat)
		if d.Skipped > 0 {
			text += fmt.Sprintf(" (%d before it could not be sent in time)", d.Skipped)
		}
		add("Reminder", text, "")
	}
	return all
}

func withVersion(workflow, version string) string {
	if workflow == "" || version == "" {
		return workflow
	}
	return workflow + " (" + version + ")"
}

// joined is both texts with the separator between, or the one that is not empty.
func joined(a, separator, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + separator + b
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// web is the URL if it leads to a web page, else nothing.
func web(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	if s := u.String(); s == notifier.Printable(s) {
		return s
	}
	return ""
}
