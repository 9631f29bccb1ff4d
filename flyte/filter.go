package flyte

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// longestName bounds what may be a name; flyteadmin's own bound is 63.
const longestName = 255

// ValidName says whether an execution can have this name. Flyteadmin allows lower case letters,
// digits and hyphens; upper case, dots and underscores are let through for its kin. All others
// could end a value of its filter language, or fail the query of 100 names for the sake of one.
func ValidName(name string) bool {
	return name != "" && len(name) <= longestName && !strings.ContainsFunc(name, func(r rune) bool {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !word && !strings.ContainsRune("-_.", r)
	})
}

// validPart says whether a project or domain can travel: flyteadmin's database chokes on others,
// and an answer "internal error" would be asked for again forever.
func validPart(s string) bool {
	return s != "" && len(s) <= longestName && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// listFilter returns the filter for executions of these names, and how many names it holds. State
// is named because flyteadmin hides archived executions otherwise.
func listFilter(names []string, since time.Time) (filter string, n int) {
	var b strings.Builder
	b.WriteString("value_in(execution_name,")
	for _, name := range names {
		if !ValidName(name) {
			continue
		}
		if n > 0 {
			b.WriteByte(';')
		}
		b.WriteString(name)
		n++
	}
	b.WriteString(")+value_in(state,0;1)")
	if !since.IsZero() {
		b.WriteString("+gte(updated_at," + instant(since) + ")")
	}
	return b.String(), n
}

// createdFilter returns the filter for executions created in [from, to), archived or not.
func createdFilter(from, to time.Time) string {
	return "value_in(state,0;1)+gte(execution_created_at," + instant(from) + ")+lt(execution_created_at," + instant(to) + ")"
}

// instant is a time as flyteadmin takes it. It ends in Z: any other offset has a "+", which
// separates functions. It has microseconds, as the database.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// succeededFilter returns the filter for executions of a launch plan that succeeded.
func succeededFilter(launchPlan string, since time.Time) string {
	return "value_in(state,0;1)+eq(phase,SUCCEEDED)+eq(launch_plan.name," + launchPlan + ")+gte(updated_at," + instant(since) + ")"
}

// validText says whether a text can stand in a filter as it is.
func validText(s string) bool { return validPart(s) && !strings.ContainsAny(s, "+,;()") }
