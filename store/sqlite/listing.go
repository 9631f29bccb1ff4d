package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// idsAtOnce bounds the values of one query.
const idsAtOnce = 500

// table is what a listing needs to know of one.
type table[T any] struct {
	name    string
	columns string
	scan    func(scanner) (T, error)
	end     string // the column of when a row was done
}

// Deliveries is store.Ledger's. A row of which a part is damaged comes without that part.
func (s *Store) Deliveries(ctx context.Context, f store.Filter, yield func(store.Delivery) error) error {
	return listing(ctx, s, table[store.Delivery]{"deliveries", deliveryColumns, scanDelivery, "settled_at"}, f, engine.States(f.State), yield)
}

// Watches is store.Ledger's. A row of which a part is damaged comes without that part.
func (s *Store) Watches(ctx context.Context, f store.Filter, yield func(store.Watch) error) error {
	return listing(ctx, s, table[store.Watch]{"watches", watchColumns, scanWatch, "ended_at"}, f, []string{f.State}, yield)
}

func listing[T any](ctx context.Context, s *Store, tab table[T], f store.Filter, states []string, yield func(T) error) error {
	if len(f.IDs) > 0 {
		return listIDs(ctx, s, tab, f, states, yield)
	}
	return engine.List(tab.name, f.Limit, func(last int64, n int) ([]engine.Placed[T], error) {
		return engine.Pages(f, states, n, func(f store.Filter) ([]engine.Placed[T], error) {
			return readPage(ctx, s, tab, f, last, n)
		})
	}, yield)
}

// readPage returns the next rows after the last one, in the filter's order.
func readPage[T any](ctx context.Context, s *Store, tab table[T], f store.Filter, last int64, n int) ([]engine.Placed[T], error) {
	after, order := ">", "ASC"
	if f.Limit > 0 {
		after, order = "<", "DESC"
	}
	where, args := "seq "+after+" ?", []any{last}
	if f.State != "" {
		where, args = "state = ? AND "+where, []any{f.State, last}
	}
	if !f.Since.IsZero() {
		where, args = where+" AND coalesce("+tab.end+", created_at) >= ?", append(args, f.Since.UnixMicro())
	}
	query := "SELECT seq, " + tab.columns + " FROM " + tab.name + " WHERE " + where + " ORDER BY seq " + order + " LIMIT ?"
	return read(ctx, s.queries, tab.scanPlaced, query, append(args, n)...)
}

// scanPlaced reads a row that begins with its place.
func (tab table[T]) scanPlaced(row scanner) (p engine.Placed[T], err error) {
	p.Row, err = tab.scan(scanFunc(func(dest ...any) error {
		return row.Scan(append([]any{&p.Seq}, dest...)...)
	}))
	return p, err
}

// scanFunc is a row that a function scans.
type scanFunc func(dest ...any) error

// Scan implements scanner.
func (f scanFunc) Scan(dest ...any) error { return f(dest...) }

// listIDs is listing for a filter with ids.
func listIDs[T any](ctx context.Context, s *Store, tab table[T], f store.Filter, states []string, yield func(T) error) error {
	seqs, err := findIDs(ctx, s, tab.name, tab.end, f, states)
	if err != nil {
		return fmt.Errorf("list %s: %w", tab.name, err)
	}
	for _, seq := range seqs {
		rows, err := read(ctx, s.queries, tab.scan, "SELECT "+tab.columns+" FROM "+tab.name+" WHERE seq = ?", seq)
		if err != nil {
			return fmt.Errorf("list %s: %w", tab.name, err)
		}
		for _, row := range rows {
			if err := yield(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// findIDs returns the places of the rows that a filter with ids selects, in the filter's order.
func findIDs(ctx context.Context, s *Store, name, end string, f store.Filter, states []string) ([]int64, error) {
	var seqs []int64
	since := int64(math.MinInt64)
	if !f.Since.IsZero() {
		since = f.Since.UnixMicro()
	}
	for chunk := range slices.Chunk(f.IDs, idsAtOnce) {
		args := []any{f.State, states[len(states)-1], since}
		for _, id := range chunk {
			args = append(args, id)
		}
		query := "SELECT seq FROM " + name + " WHERE id IN (" + placeholders(4, len(chunk)) + ") AND (?1 = '' OR state IN (?1, ?2)) AND coalesce(" + end + ", created_at) >= ?3"
		found, err := readOnce(ctx, s.queries, scanInt, query, args...)
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, found...)
	}
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	if f.Limit > 0 {
		slices.SortFunc(seqs, func(a, b int64) int { return cmp.Compare(b, a) })
		seqs = seqs[:min(len(seqs), f.Limit)]
	}
	return seqs, nil
}

// placeholders returns n numbered parameters from the first on: "?5,?6,?7".
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "?%d", first+i)
	}
	return b.String()
}
