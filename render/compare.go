package render

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"time"
)

// Go's own eq and lt refuse to compare 3 with 0.5. An input of 3.0 arrives as 3, so a template
// that was tried with 3.1 would fail one day: these compare all numbers, exactly.

// eq says whether a equals any of the others. What is absent equals "".
func (b *budget) eq(a any, others ...any) (bool, error) {
	for _, other := range others {
		c, err := b.compare(a, other)
		if err != nil || c == 0 {
			return err == nil, err
		}
	}
	return false, nil
}

func (b *budget) ne(a, other any) (bool, error) {
	same, err := b.eq(a, other)
	return err == nil && !same, err
}

func (b *budget) ordered(ok func(c int) bool) func(a, other any) (bool, error) {
	return func(a, other any) (bool, error) {
		c, err := b.compare(a, other)
		return err == nil && ok(c), err
	}
}

// compare is negative where a comes before c, and 0 where they are equal.
func (b *budget) compare(a, c any) (int, error) {
	a, c = plain(a, c), plain(c, a)
	switch first := a.(type) {
	case string:
		if second, ok := c.(string); ok {
			return cmp.Compare(first, second), b.spend(min(len(first), len(second)))
		}
	case bool:
		if second, ok := c.(bool); ok && first == second {
			return 0, nil
		} else if ok {
			return 1, nil
		}
	case time.Duration:
		if second, ok := c.(time.Duration); ok {
			return cmp.Compare(first, second), nil
		}
	case Time:
		if second, ok := c.(Time); ok {
			return first.t.Compare(second.t), nil
		}
	default:
		first2, ok1 := number(a)
		second, ok2 := number(c)
		if ok1 && ok2 {
			return first2.Cmp(second), nil
		}
	}
	return 0, fmt.Errorf("cannot compare %T with %T", a, c)
}

// plain is v in the form that can be compared with other: absent values as "", and texts as
// durations or times where the other one is such.
func plain(v, other any) any {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		switch other.(type) {
		case time.Duration:
			if d, err := time.ParseDuration(v); err == nil {
				return d
			}
		case Time:
			if t, err := moment(v); err == nil {
				return Time{t}
			}
		}
	}
	return v
}

// number is any number, exactly. Durations are none: nobody could tell their unit.
func number(v any) (*big.Float, bool) {
	if _, ok := v.(time.Duration); ok || v == nil {
		return nil, false
	}
	f := new(big.Float).SetPrec(64)
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return f.SetInt64(r.Int()), true
	case r.CanUint():
		return f.SetUint64(r.Uint()), true
	case r.CanFloat() && !math.IsNaN(r.Float()):
		return f.SetFloat64(r.Float()), true
	}
	return nil, false
}
