package flyte

import "context"

// agreed are rows of which the sink said that they were no news. A row comes back in every round until
// the overlap is past; while it stays the same, most of these times the sink is not asked again.
type agreed struct {
	last, now map[string]agreement // by name, of the round before and of this one
}

type agreement struct {
	phase string
	skips int // rounds since the sink was asked
}

// mostSkips bounds for how many rounds in a row the sink is not asked: it may have agreed just before
// somebody who had read older facts wrote them.
const mostSkips = 3

// begin begins a round.
func (a *agreed) begin() { a.last, a.now = a.now, map[string]agreement{} }

// unasked returns the rows that the sink is to be asked about, and remembers the others.
func (a *agreed) unasked(rows []Row) []Row {
	ask := make([]Row, 0, len(rows))
	for _, r := range rows {
		was, ok := a.last[r.Name]
		if !ok || was.phase != r.Phase || was.skips == mostSkips {
			ask = append(ask, r)
			continue
		}
		a.now[r.Name] = agreement{phase: r.Phase, skips: was.skips + 1}
	}
	return ask
}

// note remembers that these rows were no news.
func (a *agreed) note(rows []Row) {
	for _, r := range rows {
		a.now[r.Name] = agreement{phase: r.Phase}
	}
}

// take gives the sink what a round's call read.
func (p *poller) take(ctx context.Context, rows []Row, by Look) error {
	if by != ByTime {
		_, err := p.give(ctx, rows, by)
		return err
	}
	rows = p.agreed.unasked(rows)
	news, err := p.give(ctx, rows, by)
	if err == nil && news == 0 {
		p.agreed.note(rows)
	}
	return err
}
