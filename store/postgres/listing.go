package postgres

import (
	"context"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// table is what a listing needs to know of one.
type table[T any] struct {
	name    string // with its alias
	alias   string
	columns string
	scan    func(pgx.Row) (T, error)
	common  string // the state that the index by state leaves out
	end     string // the column of when a row was done
}

// Deliveries is store.Ledger's. A row of which a part is damaged comes without that part.
func (s *Store) Deliveries(ctx context.Context, f store.Filter, yield func(store.Delivery) error) error {
	tab := table[store.Delivery]{"flyte_notifier.deliveries d", "d", deliveryColumns, scanDelivery, string(store.Delivered), "settled_at"}
	return listing(ctx, s, tab, f, engine.States(clean(f.State)), yield)
}

// Watches is store.Ledger's. A row of which a part is damaged comes without that part.
func (s *Store) Watches(ctx context.Context, f store.Filter, yield func(store.Watch) error) error {
	return listing(ctx, s, table[store.Watch]{"flyte_notifier.watches w", "w", watchColumns, scanWatch, "", "ended_at"}, f, []string{clean(f.State)}, yield)
}

func listing[T any](ctx context.Context, s *Store, tab table[T], f store.Filter, states []string, yield func(T) error) error {
	ids := make([]string, 0, len(f.IDs))
	for _, id := range f.IDs {
		ids = append(ids, clean(id))
	}
	f.IDs = slices.Compact(slices.Sorted(slices.Values(ids)))
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
	seq, state := tab.alias+".seq", tab.alias+".state"
	where, by, args := seq+" "+after+" $1", seq+" "+order, []any{last, n}
	switch f.State {
	case "":
	case tab.common:
		where += " AND " + state + " = '" + tab.common + "'"
	default:
		// In words that only the index by state and seq serves: Postgres takes any other for good, too.
		args = append(args, f.State)
		where += " AND " + state + " <> '" + tab.common + "' AND " + state + " >= $3 AND " + state + " <= $3"
		by = state + " " + order + ", " + by
	}
	if len(f.IDs) > 0 {
		args = append(args, f.IDs)
		where += " AND " + tab.alias + ".id = ANY($" + strconv.Itoa(len(args)) + ")"
	}
	if !f.Since.IsZero() {
		args = append(args, f.Since.UnixMicro())
		where += " AND coalesce(" + tab.alias + "." + tab.end + ", " + tab.alias + ".created_at) >= $" + strconv.Itoa(len(args))
	}
	query := "SELECT " + tab.alias + ".seq, " + tab.columns + " FROM " + tab.name + " WHERE " + where + " ORDER BY " + by + " LIMIT $2"
	return list(ctx, s.pool, tab.scanPlaced, query, args...)
}

// scanPlaced reads a row that begins with its place.
func (tab table[T]) scanPlaced(row pgx.Row) (p engine.Placed[T], err error) {
	p.Row, err = tab.scan(prefixed{row, &p.Seq})
	return p, err
}
