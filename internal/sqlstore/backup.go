package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/propusk/propusk/internal/store"
)

// ErrNoFile means that a database is not a file, and so is backed up with the tools of its server.
var ErrNoFile = errors.New("only a database of SQLite is backed up and restored by Propusk")

// Watch is told of how many steps a copy has, and gives what is called after each.
type Watch func(steps int) (step func())

// Backup writes the SQLite database that url names, as it is at one moment, to a new file that only its owner may read, checks that copy, and
// makes sure that it is on the disk. The database may be in use, and nobody waits. A file that is there is left alone: fs.ErrExist. On
// failure nothing is left. ErrNoFile.
func Backup(ctx context.Context, url, to string, watch Watch) error {
	_, err := at(url, func(d database) (struct{}, error) {
		file, is := d.(sqliteFile)
		if !is {
			return struct{}{}, ErrNoFile
		}
		from, err := filepath.Abs(string(file))
		if err != nil {
			return struct{}{}, err
		}
		if _, err := os.Stat(from); err != nil { // SQLite would create it
			return struct{}{}, err
		}
		return struct{}{}, backup(ctx, from, to, watch)
	})
	return err
}

func backup(ctx context.Context, from, to string, watch Watch) (err error) {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s: %w", to, fs.ErrExist)
	}
	to, err = filepath.Abs(to)
	if err != nil {
		return err
	}
	part, err := partBeside(to, "partial")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeDatabase(part)) }()
	const todo = "take another backup, and if that fails too, restore an earlier one: then the database itself is damaged"
	if err := copySQLite(ctx, from, part, watch); err != nil {
		return thenWhat(err, todo)
	}
	if err := makeSound(ctx, part); err != nil {
		return thenWhat(fmt.Errorf("the copy: %w", err), todo)
	}
	if err := syncFile(part); err != nil {
		return err
	}
	return appear(part, to)
}

// partBeside makes an empty file that only its owner may read, beside another and named after it and what it is for.
func partBeside(path, purpose string) (string, error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"."+purpose+"-*")
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the directory %s does not exist: create it first", filepath.Dir(path))
	}
	if err != nil {
		return "", err
	}
	return file.Name(), errors.Join(file.Chmod(0o600), file.Close())
}

// companions are what SQLite puts beside a database.
var companions = []string{"-wal", "-shm", "-journal"}

// removeDatabase removes a file and what SQLite put beside it, if they are there.
func removeDatabase(path string) (err error) {
	for _, name := range append([]string{""}, companions...) {
		if failed := os.Remove(path + name); !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// copyStep is how many pages are copied in one go: a megabyte.
const copyStep = 256

// copySQLite copies the database in a file, as it is at one moment, over an empty one. SQLite begins such a copy anew whenever another process
// writes, and beside a busy server would never end; but not while the connection is in a transaction that reads.
func copySQLite(ctx context.Context, from, to string, watch Watch) error {
	db, err := connectSQLite(from, "busy_timeout(5000)", "query_only(1)")
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `BEGIN`); err != nil {
		return err
	}
	var tables int
	if err := conn.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return err
	}
	return conn.Raw(func(conn any) error { return copyPages(ctx, conn.(backuper), to, watch) })
}

type backuper interface {
	NewBackup(to string) (*sqlite.Backup, error)
}

// copyPages copies without waiting for the disk: what it leaves half done is thrown away.
func copyPages(ctx context.Context, from backuper, to string, watch Watch) (err error) {
	query := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "locking_mode(EXCLUSIVE)"}}
	target := url.URL{Scheme: "file", Path: filepath.ToSlash(to), RawQuery: query.Encode()}
	pages, err := from.NewBackup(target.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pages.Finish()) }()
	var step func()
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if more, err = pages.Step(copyStep); err != nil {
			return err
		}
		if step == nil {
			step = watch((pages.PageCount() + copyStep - 1) / copyStep)
		}
		step()
	}
	return nil
}

// makeSound ends the log of a database that nobody else has open, and has SQLite look through all of it.
func makeSound(ctx context.Context, path string) error {
	return onCopy(ctx, path, func(db *sql.DB) error {
		var verdict string
		if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
			return err
		}
		if verdict != "ok" {
			return fmt.Errorf("%w: SQLite finds %s", errDamaged, verdict)
		}
		var orphans int
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM pragma_foreign_key_check`).Scan(&orphans)
		if err == nil && orphans > 0 {
			err = fmt.Errorf("%w: %d rows refer to rows that are not there", errDamaged, orphans)
		}
		return err
	})
}

// errDamaged is a database that does not hold what it should.
var errDamaged = errors.New("it is damaged")

// onCopy opens a database that has to be one file, does something with it, and closes it.
func onCopy(ctx context.Context, path string, do func(*sql.DB) error) error {
	db, err := connectSQLite(path, "synchronous(OFF)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	var mode string
	err = db.QueryRowContext(ctx, `PRAGMA journal_mode(DELETE)`).Scan(&mode)
	if err == nil && mode != "delete" {
		err = fmt.Errorf("its log cannot be ended, it is %q", mode)
	}
	if err == nil {
		err = do(db)
	}
	return errors.Join(err, db.Close())
}

// syncFile waits until a file is on the disk.
func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// syncDirectory waits until the names in the directory of a file are on the disk. Windows has no way to.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// appear gives a file its name, unless something of that name is there.
func appear(part, name string) error {
	err := os.Link(part, name)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system that knows no second names
		if _, err = os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			err = os.Rename(part, name)
		}
	}
	if err != nil {
		return err
	}
	return syncDirectory(name)
}

// Restoration says what to put where.
type Restoration struct {
	// File is a copy that Backup made.
	File string
	// Replace allows it to take the place of a database, which is kept beside.
	Replace bool
	// Now is for the name of what is kept.
	Now   time.Time
	Watch Watch
	// Deed is done in the transaction that ends all sessions.
	Deed func(store.Tx, Restored) error
}

// Restored is what came of it.
type Restored struct {
	// Sessions were ended. APIKeys are still good.
	Sessions, APIKeys int
	// Kept is where the database is that was there before, "" if there was none.
	Kept string
}

var (
	// ErrInUse means that a process has the database open.
	ErrInUse = errors.New("the database is in use: stop every propusk serve on it first, and whatever else has it open")
	// ErrInPlace means that something is where a database is to be put.
	ErrInPlace = errors.New("a database is there already")
	// ErrNotPropusk means that a file is no database of this program.
	ErrNotPropusk = errors.New("this is no database of Propusk")
)

// Restore puts a copy that Backup made in the place of the SQLite database that url names, with its schema brought up to date and all sessions
// ended. It is done at once: whenever the process is killed, the database is the old or the new one, as a whole. Until it ends nobody
// can open the old one. The copy is not changed. ErrNoFile, ErrInUse, ErrInPlace, ErrNotPropusk.
func Restore(ctx context.Context, url string, r Restoration) (Restored, error) {
	return at(url, func(d database) (Restored, error) {
		file, is := d.(sqliteFile)
		if !is {
			return Restored{}, ErrNoFile
		}
		place, err := filepath.Abs(string(file))
		if err != nil {
			return Restored{}, err
		}
		// A symbolic link stays one, and the file that it leads to is replaced.
		leads, err := filepath.EvalSymlinks(place)
		if err == nil {
			place = leads
		} else if _, there := os.Lstat(place); there == nil {
			return Restored{}, fmt.Errorf("%s is a symbolic link that leads nowhere: make it lead to the database, or remove it (%w)", place, err)
		}
		return r.into(ctx, place)
	})
}

func (r Restoration) into(ctx context.Context, place string) (_ Restored, err error) {
	old, err := r.occupy(ctx, place)
	if err != nil {
		return Restored{}, err
	}
	defer func() { err = errors.Join(err, old.release()) }()
	if err := old.clean(); err != nil {
		return Restored{}, err
	}
	part, err := partBeside(place, "restoring")
	if err != nil {
		return Restored{}, err
	}
	defer func() { err = errors.Join(err, removeDatabase(part)) }()
	if err := r.copyTo(ctx, part); err != nil {
		return Restored{}, fmt.Errorf("%s: %w", r.File, err)
	}
	done, err := r.endSessions(ctx, part)
	if err != nil {
		return Restored{}, err
	}
	if err := endedAll(ctx, part); err != nil {
		return Restored{}, fmt.Errorf("%s: %w", r.File, err)
	}
	if err := errors.Join(syncFile(part), ctx.Err()); err != nil {
		return Restored{}, err
	}
	done.Kept, err = old.replace(part, r.Now)
	return done, err
}

// copyTo copies the file and makes sure that it is what it should be.
func (r Restoration) copyTo(ctx context.Context, part string) error {
	if info, err := os.Stat(r.File); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return ErrNotPropusk
	}
	path, err := filepath.Abs(r.File)
	if err != nil {
		return err
	}
	err = copySQLite(ctx, path, part, r.Watch)
	if err == nil {
		err = makeSound(ctx, part)
	}
	if err != nil {
		return thenWhat(notSQLite(err), "restore another backup, or take a new one if the database is still there")
	}
	return isPropusk(ctx, part)
}

// thenWhat adds to what SQLite says of a damaged database what to do about it.
func thenWhat(err error, todo string) error {
	if sqliteCode(err) == sqlite3.SQLITE_CORRUPT || errors.Is(err, errDamaged) {
		return fmt.Errorf("%w: it cannot be used; %s", err, todo)
	}
	return err
}

// isPropusk refuses a database that never had our first migration, and one with more in its schema than our migrations make. One that had
// too many of those is refused where it is brought up to date.
func isPropusk(ctx context.Context, path string) error {
	all, err := sqliteFile(path).status(ctx)
	if err != nil {
		return err
	}
	known, applied := sqliteSchema.newest(all)
	switch {
	case applied == 0:
		return ErrNotPropusk
	case applied > known:
		return nil
	}
	return sameSchema(ctx, path, applied)
}

// notSQLite says in our words that a file is none of SQLite's.
func notSQLite(err error) error {
	if sqliteCode(err) == sqlite3.SQLITE_NOTADB {
		return fmt.Errorf("%w: %w", ErrNotPropusk, err)
	}
	return err
}

// endSessions brings a copy up to date and ends what a logout, or a block, after the backup had ended.
func (r Restoration) endSessions(ctx context.Context, path string) (done Restored, err error) {
	s, err := Open(ctx, "sqlite:"+path)
	if err != nil {
		return Restored{}, err
	}
	err = s.Update(ctx, func(opened store.Tx) (err error) {
		t := opened.(tx)
		if done.APIKeys, err = one(t.reader, value[int], `SELECT count(*) FROM api_key`); err != nil {
			return err
		}
		// Whoever remembered something of the file that was copied does not read this one.
		if _, err = t.exec(`DELETE FROM cache_node`); err != nil {
			return err
		}
		if done.Sessions, err = t.exec(`DELETE FROM session`); err != nil {
			return err
		}
		return r.Deed(t, done)
	})
	return done, errors.Join(err, s.Close())
}

// occupied is the place of a database, which nobody else can open until release.
type occupied struct {
	place string
	// exists says that a database is there, and leftovers which companions of one.
	exists    bool
	leftovers []string
	db        *sql.DB
}

// occupy looks at what is in the place, and keeps everybody else from it.
func (r Restoration) occupy(ctx context.Context, place string) (*occupied, error) {
	o := &occupied{place: place}
	info, err := os.Stat(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", place)
	default:
		o.exists = true
	}
	if copied, err := os.Stat(r.File); err == nil && o.exists && os.SameFile(info, copied) {
		return nil, errors.New("the backup and the database are the same file")
	}
	for _, name := range companions {
		if _, err := os.Lstat(place + name); err == nil && !o.exists {
			o.leftovers = append(o.leftovers, name)
		}
	}
	if (o.exists || o.leftovers != nil) && !r.Replace {
		return nil, ErrInPlace
	}
	if !o.exists {
		return o, nil
	}
	return o, o.lock(ctx)
}

// lock makes the old database one file, with no log beside it that would be taken for one of the new, and then locks it. Everybody who has it
// open holds at least a shared lock. Whoever opened it since, and waits, will find that it is not the file of that name any more: to turn
// the log on is to write, and SQLite refuses to write to a file that was moved.
func (o *occupied) lock(ctx context.Context) error {
	if err := o.alone(ctx, "locking_mode(EXCLUSIVE)", "journal_mode(DELETE)"); err != nil {
		return err
	}
	if err := o.release(); err != nil {
		return err
	}
	return o.alone(ctx)
}

// alone locks the database as it is. It must have no log then.
func (o *occupied) alone(ctx context.Context, pragmas ...string) error {
	db, err := connectSQLite(o.place, pragmas...)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	o.db = db
	var mode string
	_, err = db.ExecContext(ctx, `BEGIN EXCLUSIVE`)
	if err == nil {
		err = db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode)
	}
	switch {
	case isBusy(err), err == nil && mode != "delete":
		err = ErrInUse
	case err != nil:
		err = fmt.Errorf("%w; if nothing has it open, move it away yourself, with what is named like it and ends in -wal, -shm or -journal", notSQLite(err))
	}
	if err != nil {
		err = errors.Join(err, o.release())
	}
	return err
}

// release lets others open the database.
func (o *occupied) release() error {
	if o.db == nil {
		return nil
	}
	err := o.db.Close()
	o.db = nil
	return err
}

// clean removes what a restore that was killed left beside. Nobody else restores here while the place is locked.
func (o *occupied) clean() (err error) {
	if o.db == nil {
		return nil
	}
	left, err := os.ReadDir(filepath.Dir(o.place))
	for _, entry := range left {
		if strings.HasPrefix(entry.Name(), filepath.Base(o.place)+".restoring-") {
			err = errors.Join(err, os.Remove(filepath.Join(filepath.Dir(o.place), entry.Name())))
		}
	}
	return err
}

// replace puts a file in the place, and says where it keeps what was there. The old database has both names for a moment: there is no moment at
// which there is none.
func (o *occupied) replace(part string, now time.Time) (kept string, err error) {
	kept = o.place + ".before-restore-" + now.UTC().Format("20060102T150405.000Z")
	if !o.exists {
		for _, name := range o.leftovers {
			if err := os.Rename(o.place+name, kept+name); err != nil {
				return "", err
			}
		}
		if o.leftovers == nil {
			kept = ""
		}
		return kept, appear(part, o.place)
	}
	err = os.Link(o.place, kept)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system that knows no second names
		err = os.Rename(o.place, kept)
	}
	if err != nil {
		return "", err
	}
	if runtime.GOOS == "windows" { // where a file that somebody has open cannot be replaced
		if err := o.release(); err != nil {
			return "", err
		}
	}
	if err := os.Rename(part, o.place); err != nil {
		return "", err
	}
	return kept, syncDirectory(o.place)
}
