package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Check asks Slack whether the token works and may post.
func (n *Notifier) Check(ctx context.Context) error {
	scopes, err := n.scopes(ctx)
	if err != nil {
		return err
	}
	if len(scopes) > 0 && !slices.Contains(scopes, "chat:write") {
		return notifier.Permanent.Errorf("slack: missing_scope chat:write (%s)", meaningOf("missing_scope").hint)
	}
	return nil
}

// Advise names the scopes that the token lacks, and what does not work without them.
func (n *Notifier) Advise(ctx context.Context) ([]string, error) {
	scopes, err := n.scopes(ctx)
	if err != nil || len(scopes) == 0 {
		return nil, err
	}
	var all []string
	for _, of := range furtherScopes() {
		var missing []string
		for _, scope := range of.scopes {
			if !slices.Contains(scopes, scope) {
				missing = append(missing, scope)
			}
		}
		if len(missing) > 0 {
			all = append(all, fmt.Sprintf("without %s: %s (%s)", strings.Join(missing, ", "), of.without, meaningOf("missing_scope").hint))
		}
	}
	return all, nil
}

// scopeUse is what does not work without some scopes, as the notifier's page has it.
type scopeUse struct {
	scopes  []string
	without string
}

func furtherScopes() []scopeUse {
	return []scopeUse{
		{[]string{"channels:read", "groups:read"}, "names are used as written; a look-up after a crash is impossible"},
		{[]string{"channels:history", "groups:history", "im:history"}, "a message with an unknown outcome is sent again, and may come twice"},
		{[]string{"chat:write.public"}, "the bot must be invited to public channels, or join them"},
		{[]string{"channels:join"}, "the bot must be invited to public channels"},
		{[]string{"users:read", "users:read.email"}, "no direct messages"},
		{[]string{"usergroups:read"}, "user groups are not mentioned, and a note says so"},
		{[]string{"files:write"}, "long error texts are not attached, and a note says so"},
		{[]string{"reactions:read"}, "reactions do not end reminders: `ack` does, and the execution's end"},
		{[]string{"im:write"}, "a direct message that is new is not looked up"},
	}
}

// scopes are what the token may do, none where a proxy has taken the header away.
func (n *Notifier) scopes(ctx context.Context) ([]string, error) {
	c, err := n.call()
	if err != nil {
		return nil, err
	}
	who, err := c.api.AuthTestContext(ctx)
	if err != nil {
		return nil, c.reading(err)
	}
	if who.UserID == "" {
		return nil, notifier.Retry.Errorf("slack: auth.test neither answered nor refused")
	}
	return scopesOf(who.Header.Get("X-OAuth-Scopes")), nil
}

// scopesOf splits the header; a proxy may have removed it.
func scopesOf(header string) []string {
	return strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ' ' })
}
