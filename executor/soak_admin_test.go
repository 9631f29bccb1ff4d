package executor_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// soakAdmin is a flyteadmin that tells of lives.
type soakAdmin struct {
	lives   map[flyte.ExecutionID]*life
	created map[flyte.Scope][]*life // by creation
	weather *weather
}

func newSoakAdmin(lives []*life, w *weather) *soakAdmin {
	a := &soakAdmin{lives: map[flyte.ExecutionID]*life{}, created: map[flyte.Scope][]*life{}, weather: w}
	for _, l := range lives {
		a.lives[l.id] = l
		a.created[l.id.Scope] = append(a.created[l.id.Scope], l)
	}
	for _, all := range a.created {
		slices.SortFunc(all, func(x, y *life) int { return x.created.Compare(y.created) })
	}
	return a
}

var errSoakDown = errors.New("flyteadmin is down")

// begin fails while flyteadmin is down: at once, or only when the caller gives up.
func (a *soakAdmin) begin(ctx context.Context) (time.Time, error) {
	now := time.Now().UTC()
	switch {
	case !a.weather.down(now):
		return now, ctx.Err()
	case now.Unix()%3 == 0:
		<-ctx.Done()
	}
	return now, errSoakDown
}

func (a *soakAdmin) List(ctx context.Context, s flyte.Scope, names []string, since time.Time) (rows []flyte.Row, err error) {
	now, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		l := a.lives[flyte.ExecutionID{Scope: s, Name: name}]
		if l == nil {
			continue
		}
		x, ok := l.facts(now)
		if last, _ := l.now(now); ok && !last.at.Before(since) {
			rows = append(rows, flyte.Row{Name: name, Phase: x.Phase, CreatedAt: x.CreatedAt, StartedAt: x.StartedAt})
		}
	}
	return rows, nil
}

func (a *soakAdmin) Execution(ctx context.Context, id flyte.ExecutionID) (flyte.Execution, error) {
	now, err := a.begin(ctx)
	if err != nil {
		return flyte.Execution{}, err
	}
	if l := a.lives[id]; l != nil {
		if x, ok := l.facts(now); ok {
			return x, nil
		}
	}
	return flyte.Execution{}, flyte.ErrNotFound
}

func (a *soakAdmin) Node(ctx context.Context, id flyte.ExecutionID, _ string) (flyte.Node, error) {
	now, err := a.begin(ctx)
	if err != nil {
		return flyte.Node{}, err
	}
	if n, ok := a.lives[id].nodeAt(now); ok {
		return n, nil
	}
	return flyte.Node{}, flyte.ErrNotFound
}

func (*soakAdmin) FailedNode(context.Context, flyte.ExecutionID) (string, error) { return "n1", nil }

func (a *soakAdmin) Gates(ctx context.Context, id flyte.ExecutionID) (all []flyte.Gate, err error) {
	now, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range a.lives[id].gates {
		if g.span.has(now) {
			all = append(all, flyte.Gate{Signal: g.signal})
		}
	}
	return all, nil
}

func (a *soakAdmin) RunningNodes(ctx context.Context, x flyte.Execution) ([]flyte.Node, error) {
	now, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	if n, ok := a.lives[x.ID].nodeAt(now); ok && n.Phase == "RUNNING" {
		return []flyte.Node{n}, nil
	}
	return nil, nil
}

func (a *soakAdmin) Attempt(ctx context.Context, _ flyte.ExecutionID, n flyte.Node) (flyte.Node, error) {
	_, err := a.begin(ctx)
	n.AttemptStartedAt = n.StartedAt
	return n, err
}

func (a *soakAdmin) Discover(ctx context.Context, s flyte.Scope, from, to time.Time, limit int) (found []flyte.Execution, whole bool, err error) {
	now, err := a.begin(ctx)
	if err != nil {
		return nil, false, err
	}
	all := a.created[s]
	first, _ := slices.BinarySearchFunc(all, from, func(l *life, t time.Time) int { return l.created.Compare(t) })
	for _, l := range all[first:] {
		if !l.created.Before(to) {
			break
		}
		if x, ok := l.facts(now); ok && len(found) < limit {
			found = append(found, x)
		}
	}
	return found, len(found) < limit, nil
}

func (a *soakAdmin) Succeeded(ctx context.Context, s flyte.Scope, launchPlan string, since time.Time) (found []flyte.Execution, err error) {
	now, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range a.created[s] {
		if l.created.After(now) {
			break
		}
		if last, ok := l.now(now); !ok || l.plan != launchPlan || last.phase != "SUCCEEDED" || last.at.Before(since) {
			continue
		}
		x, _ := l.facts(now)
		found = append(found, x)
	}
	return found, nil
}

func (a *soakAdmin) Projects(ctx context.Context) ([]flyte.Project, error) {
	_, err := a.begin(ctx)
	return []flyte.Project{{ID: "ml", Domains: []string{"production"}}, {ID: "web", Domains: []string{"production"}}}, err
}
