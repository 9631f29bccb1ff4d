package notifier

import "strings"

// IsTemplate says whether a string of a destination is a template still to be rendered, so that
// Validate cannot judge it yet.
func IsTemplate(s string) bool { return strings.Contains(s, "{{") }
