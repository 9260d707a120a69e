package sqlstore

import (
	"context"
	"database/sql"
	"os"
)

// logStep is how long the write-ahead log may grow before it is cut, in bytes: four times what SQLite itself aims at.
const logStep = 16 << 20

// writeAheadLog watches the file beside the database. SQLite starts it anew by itself, but only at a moment at which nobody reads; a
// busy server may never have one, and its log would grow until the disk is full.
type writeAheadLog struct {
	path string
	step int64
	// next is the size at which the next attempt is due, if that is more than step.
	next int64
}

// shrink cuts a log that has grown too long. For that it keeps writers out, for a tenth of a second at most, until everyone who
// reads has begun after the last commit. A reader who takes longer is let be, and the log may grow by another step.
func (l *writeAheadLog) shrink(writer *handle) {
	info, err := os.Stat(l.path)
	if err != nil || info.Size() <= max(l.step, l.next) {
		return
	}
	l.next = info.Size() + l.step
	ctx := context.Background()
	var blocked, frames, moved int
	_, err = writer.exec(ctx, "PRAGMA busy_timeout = 100")
	if err == nil {
		err = writer.query(ctx, func(row *sql.Rows) error { return row.Scan(&blocked, &frames, &moved) },
			"PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if err == nil {
		_, err = writer.exec(ctx, "PRAGMA busy_timeout = 0")
	}
	if err != nil {
		writer.drop()
	} else if blocked == 0 {
		l.next = 0
	}
}
