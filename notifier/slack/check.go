package slack

import (
	"context"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Check asks Slack whether the token works and may post.
func (n *Notifier) Check(ctx context.Context) error {
	c, err := n.call()
	if err != nil {
		return err
	}
	who, err := c.api.AuthTestContext(ctx)
	if err != nil {
		return c.reading(err)
	}
	if who.UserID == "" {
		return notifier.Retry.Errorf("slack: auth.test neither answered nor refused")
	}
	scopes := scopesOf(who.Header.Get("X-OAuth-Scopes"))
	if len(scopes) > 0 && !slices.Contains(scopes, "chat:write") {
		return notifier.Permanent.Errorf("slack: missing_scope chat:write (%s)", meaningOf("missing_scope").hint)
	}
	return nil
}

// scopesOf splits the header; a proxy may have removed it.
func scopesOf(header string) []string {
	return strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ' ' })
}
