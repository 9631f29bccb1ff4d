package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/flyte-notifier/flyte-notifier/store"
)

var (
	errNoID = errors.New("the id is empty")

	// errAgain is for a transaction that met another in a way that Postgres does not know of.
	errAgain = errors.New("changed by another transaction")
)

// code is Postgres's code of an error, or "" for one that is not Postgres's.
func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// again says whether a transaction was in another's way: it may fare better at once.
func again(err error) bool {
	c := code(err)
	return c == pgerrcode.DeadlockDetected || c == pgerrcode.SerializationFailure || errors.Is(err, errAgain)
}

// general says whether an error has nothing to do with what was written: the server is away, stops, is
// full or only reads. No other write would fare better now.
func general(err error) bool {
	c := code(err)
	return c == "" && !errors.Is(err, errAgain) || pgerrcode.IsConnectionException(c) || pgerrcode.IsInsufficientResources(c) ||
		pgerrcode.IsOperatorIntervention(c) && c != pgerrcode.QueryCanceled || pgerrcode.IsSystemError(c) ||
		pgerrcode.IsInvalidTransactionState(c) || pgerrcode.IsInvalidAuthorizationSpecification(c)
}

// demoted says whether the server only reads: another one takes the writes now.
func demoted(err error) bool { return code(err) == pgerrcode.ReadOnlySQLTransaction }

// hint says what to do where a pooler does not take what Postgres takes.
func hint(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && strings.Contains(pg.Message, "unsupported startup parameter") {
		return fmt.Errorf("%w: a pooler answers; name the URL of the database itself as well (store.lock_url)", err)
	}
	return err
}

func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}
