package slack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

const (
	// directoryFor is how long is remembered whom a handle or an address means, or that Slack does not tell.
	directoryFor = 10 * time.Minute
	unknownFor   = time.Minute
	// maxDirectory bounds the addresses remembered.
	maxDirectory = 10_000
)

// directory remembers who people and user groups are. The zero directory is empty; it is safe for concurrent use.
type directory struct {
	mu    sync.Mutex
	known map[string]entry // by address, by handle
}

// entry is a mention, or why there is none.
type entry struct {
	mention string
	err     error
	until   time.Time
}

// mention is whom in mrkdwn: an id, the handle of a user group, or an e-mail address.
func (d *directory) mention(ctx context.Context, c *call, whom string) (string, error) {
	switch {
	case whom == owner:
		return "", errors.New("nobody is known as the owner")
	case userID.MatchString(whom):
		return "<@" + whom + ">", nil
	case groupID.MatchString(whom):
		return "<!subteam^" + whom + ">", nil
	}
	key := strings.ToLower(whom)
	if e, ok := d.get(key); ok {
		return e.mention, e.err
	}
	var err error
	if strings.HasPrefix(key, "@") {
		err = d.askGroups(ctx, c, key)
	} else {
		err = d.askPerson(ctx, c, key)
	}
	if err != nil {
		d.put(key, entry{err: err, until: time.Now().Add(unknownFor)})
		return "", err
	}
	e, _ := d.get(key)
	return e.mention, e.err
}

// askGroups remembers all user groups, and that there is none of this handle.
func (d *directory) askGroups(ctx context.Context, c *call, handle string) error {
	groups, err := c.api.GetUserGroupsContext(ctx)
	if err != nil {
		return c.reading(err)
	}
	until := time.Now().Add(directoryFor)
	d.put(handle, entry{err: errors.New("the workspace has no such user group"), until: until})
	for _, g := range groups {
		if groupID.MatchString(g.ID) && g.Handle != "" && g.DateDelete == 0 {
			d.put("@"+strings.ToLower(g.Handle), entry{mention: "<!subteam^" + g.ID + ">", until: until})
		}
	}
	return nil
}

// askPerson remembers who has this e-mail address.
func (d *directory) askPerson(ctx context.Context, c *call, address string) error {
	user, err := c.api.GetUserByEmailContext(ctx, address)
	if err != nil {
		return c.reading(err)
	}
	if !userID.MatchString(user.ID) {
		return notifier.Retry.Errorf("slack: users.lookupByEmail answered without a user")
	}
	d.put(address, entry{mention: fmt.Sprintf("<@%s>", user.ID), until: time.Now().Add(directoryFor)})
	return nil
}

func (d *directory) get(key string) (entry, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.known[key]
	return e, ok && time.Now().Before(e.until)
}

func (d *directory) put(key string, e entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxDirectory {
		now := time.Now()
		maps.DeleteFunc(d.known, func(_ string, e entry) bool { return e.until.Before(now) })
		if len(d.known) >= maxDirectory {
			clear(d.known)
		}
	}
	if d.known == nil {
		d.known = map[string]entry{}
	}
	d.known[key] = e
}
