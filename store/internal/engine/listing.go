package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// pageSize is how many rows a listing holds at once: no transaction stays open while its rows are being
// handled.
const pageSize = 100

// Placed is a row with its place in the order of creation.
type Placed[T any] struct {
	Seq int64
	Row T
}

// List calls yield for the rows of a table, page by page, until it returns an error: limit of them, newest
// first, or all of them, oldest first, where limit is zero. page returns at most n rows after the last one.
func List[T any](table string, limit int, page func(last int64, n int) ([]Placed[T], error), yield func(T) error) error {
	left, last := limit, int64(math.MaxInt64)
	if left <= 0 {
		left, last = math.MaxInt, math.MinInt64
	}
	for left > 0 {
		rows, err := page(last, min(left, pageSize))
		if err != nil {
			return fmt.Errorf("list %s: %w", table, err)
		}
		for _, p := range rows {
			if err := yield(p.Row); err != nil {
				return err
			}
			last = p.Seq
		}
		if len(rows) < pageSize {
			return nil
		}
		left -= len(rows)
	}
	return nil
}

// States are those of the deliveries that a filter by a state selects.
func States(state string) []string {
	if state == string(store.Pending) {
		return []string{state, string(store.Held)}
	}
	return []string{state}
}

// Pages reads a page of at most n rows for each state, and makes one of them, in the order of a filter.
func Pages[T any](f store.Filter, states []string, n int, page func(f store.Filter) ([]Placed[T], error)) ([]Placed[T], error) {
	var all []Placed[T]
	for _, state := range states {
		f.State = state
		some, err := page(f)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if len(states) > 1 {
		slices.SortFunc(all, func(a, b Placed[T]) int {
			if f.Limit > 0 {
				a, b = b, a
			}
			return cmp.Compare(a.Seq, b.Seq)
		})
	}
	return all[:min(len(all), n)], nil
}
