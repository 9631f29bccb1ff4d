package preview

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// What a template or an `if` names, as nearly everybody writes it; a sample has values for these.
var (
	namesLabel = regexp.MustCompile(`\.Labels\.(\w+)|index \.Labels "([^"]+)"|labels\["([^"]+)"\]|labels\.(\w+)`)
	wantsLabel = regexp.MustCompile(`(?:labels\["([^"]+)"\]|labels\.(\w+)) == "([^"]+)"`)
	namesInput = regexp.MustCompile(`\.Inputs\.(\w+)|index \.Inputs "([^"]+)"`)
)

// texts are all that may name something.
func (r Rule) texts() string {
	all := []string{r.Message.Title, r.Message.Body}
	steps := slices.Concat(r.Rule.Send, r.Fallback)
	for _, e := range r.Escalate {
		steps = append(steps, e.Send...)
	}
	for _, s := range steps {
		all = append(all, strings.ReplaceAll(string(s.Destination), `\"`, `"`))
	}
	return strings.Join(all, "\n")
}

// labels are those that the rule names, and those that its subscription selects by.
func (r Rule) labels() []string {
	text := r.texts()
	if r.If != nil {
		text += "\n" + r.If.String()
	}
	return slices.Sorted(maps.Keys(mergeNames(named(namesLabel, text), r.Match.Labels)))
}

// wanted are the values of labels that the rule's `if` compares them with.
func (r Rule) wanted() map[string]string {
	all := map[string]string{}
	if r.If == nil {
		return all
	}
	for _, found := range wantsLabel.FindAllStringSubmatch(r.If.String(), -1) {
		if ok, err := path.Match(cmp.Or(r.Match.Labels[found[1]+found[2]], "*"), found[3]); err == nil && ok {
			all[found[1]+found[2]] = found[3]
		}
	}
	return all
}

// inputs are values for those that the templates name. What an `if` compares them with is not known here.
func (r Rule) inputs() map[string]any {
	inputs := map[string]any{}
	for _, name := range named(namesInput, r.texts()) {
		inputs[name] = value(name)
	}
	return inputs
}

func named(expression *regexp.Regexp, text string) (all []string) {
	for _, groups := range expression.FindAllStringSubmatch(text, -1) {
		for _, name := range groups[1:] {
			if name != "" {
				all = append(all, name)
			}
		}
	}
	return all
}

func mergeNames(names []string, labels map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, labels)
	for _, name := range names {
		all[name] = labels[name]
	}
	return all
}

// value is one that suits a name: people have addresses.
func value(name string) string {
	name = strings.ToLower(name)
	for _, person := range []string{"owner", "mail", "user", "contact"} {
		if strings.Contains(name, person) {
			return "ada@example.org"
		}
	}
	if name == "team" {
		return "ml"
	}
	return "example"
}
