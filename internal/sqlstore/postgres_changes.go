package sqlstore

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/propusk/propusk/internal/store"
)

// A store.Position on PostgreSQL is a serverMoment, as News tells it, or a serverChange, as whoever makes a change is told. What comes first
// is decided by snapshots alone: transactions get their numbers before they are committed, in another order.

// serverChange is the number of a transaction, never that of a savepoint in it.
type serverChange uint64

// serverMoment is a snapshot: what was committed at a moment.
type serverMoment struct {
	text string // as the server writes it: first:end:running,running
	// first is the first transaction that was running, and end the first that had no number yet.
	first, end uint64
	running    []uint64
}

// saw reports whether a change had been committed by then, or had failed.
func (m serverMoment) saw(c serverChange) bool {
	t := uint64(c)
	return t < m.first || t < m.end && !slices.Contains(m.running, t)
}

func parseMoment(text string) (serverMoment, error) {
	m := serverMoment{text: text}
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return m, fmt.Errorf("sqlstore: %q is no snapshot", text)
	}
	numbers := parts[:2]
	if parts[2] != "" {
		numbers = append(numbers, strings.Split(parts[2], ",")...)
	}
	for i, number := range numbers {
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return m, fmt.Errorf("sqlstore: %q is no snapshot: %w", text, err)
		}
		switch i {
		case 0:
			m.first = n
		case 1:
			m.end = n
		default:
			m.running = append(m.running, n)
		}
	}
	return m, nil
}

// momentText is the argument for the position of a News: NULL for none.
func momentText(at store.Position) (*string, error) {
	if at == nil {
		return nil, nil
	}
	m, ok := at.(serverMoment)
	if !ok {
		return nil, fmt.Errorf("sqlstore: %T is no moment of a server", at)
	}
	return &m.text, nil
}

// parseChanges reads changes as the server writes them: each is a kind and two numbers, with a semicolon after it. Beside everything nothing
// else matters.
func parseChanges(text string) (made []store.Change, err error) {
	for one := range strings.SplitSeq(strings.TrimSuffix(text, ";"), ";") {
		if one == "" {
			continue
		}
		var c store.Change
		if _, err := fmt.Sscanf(one, "%d %d %d", &c.Kind, &c.A, &c.B); err != nil {
			return nil, fmt.Errorf("sqlstore: %q is no change: %w", one, err)
		}
		if c.Kind == store.ChangedAll {
			return []store.Change{c}, nil
		}
		made = append(made, c)
	}
	return made, nil
}

// changes implements dialect. The log itself is not read: of serializable transactions that read it and write to it few would get through.
func (*postgresEngine) changes(t tx) ([]store.Change, store.Position, error) {
	var noted, number sql.NullString
	_, err := one(t.reader, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, rows.Scan(&noted, &number) },
		`SELECT current_setting('propusk.changed', true), pg_current_xact_id_if_assigned()::text`)
	if err != nil || noted.String == "" {
		return nil, nil, err
	}
	list, own := strings.CutPrefix(noted.String, number.String+":")
	if !own { // somebody else's
		return nil, nil, nil
	}
	made, err := parseChanges(list)
	if err != nil {
		return nil, nil, t.spoil(err)
	}
	txid, err := strconv.ParseUint(number.String, 10, 64)
	if err != nil {
		return nil, nil, t.spoil(err)
	}
	return made, serverChange(txid), nil
}

// server implements dialect.
func (*postgresEngine) server(t tx) string { return t.db.(*link).server() }

// quietly implements dialect. What it sets is so for this transaction only.
func (*postgresEngine) quietly(t tx, logged []store.Change, change func() error) error {
	for _, c := range logged {
		if _, err := t.exec(`SELECT cache_note($1, $2, 0)`, int(c.Kind), c.A); err != nil {
			return err
		}
	}
	if _, err := t.exec(`SELECT set_config('propusk.quiet', pg_current_xact_id()::text, true)`); err != nil {
		return err
	}
	err := change()
	if _, loud := t.exec(`SET LOCAL propusk.quiet = ''`); err == nil {
		err = loud
	}
	return err
}

// changeLog implements engine.
func (e *postgresEngine) changeLog(*Store) store.ChangeLog { return e.log }
