package e2e

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
	// For the driver of SQLite, which it registers.
	_ "github.com/propusk/propusk/internal/sqlstore"
)

const crashWriters = 32

// Writers register, log in, edit, refresh their tokens and change passwords until the server is killed in the middle of it, again and
// again over one database. After each crash what was answered is there, and what was not is there as a whole or not at all.
//
// A killed process loses nothing that it has handed to the kernel. So this shows that answers come after the commit, and that a commit
// is whole; that it is on the disk by then is for TestAnAnswerIsOnTheDisk to show.
func TestACrashLosesNothingThatWasAnswered(t *testing.T) {
	besideOthers(t)
	t.Run("SQLite", func(t *testing.T) {
		besideOthers(t)
		dir := t.TempDir()
		crashServers(t, setup{dir: dir, env: append(cheap, unlimited), args: quiet})
		isSound(t, dir+"/propusk.db")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		besideOthers(t)
		crashServers(t, setup{env: append(cheap, unlimited), args: append([]string{"--database", pgtest.Start(t).Database(t)}, quiet...)})
	})
}

// quiet keeps the log for what went wrong.
var quiet = []string{"--access-log", "off"}

// crashServers kills one server after the other.
func crashServers(t *testing.T, s setup) {
	t.Helper()
	crash(t, func(writers []*crashWriter) *server {
		first := serve(t, s)
		write(t, writers, first.client, first.kill)
		return serve(t, s)
	}, func(s *server) { s.stop(t) })
}

// crash lets everybody write through a crash in each round, and then look at what is there.
func crash(t *testing.T, disaster func([]*crashWriter) *server, afterwards func(*server)) {
	t.Helper()
	writers := make([]*crashWriter, crashWriters)
	for i := range writers {
		writers[i] = &crashWriter{number: i}
	}
	var total crashCount
	for round := range crashRounds {
		again := disaster(writers)
		var count crashCount
		inParallel(writers, func(w *crashWriter) { w.check(t, again.client, &count) })
		t.Logf("round %2d: %d writes answered so far; of %d under way at the kill %d had happened; %d accounts, %d sessions looked at",
			round+1, answered(writers), count.pending.Load(), count.kept.Load(), count.accounts.Load(), count.sessions.Load())
		total.pending.Add(count.pending.Load())
		total.kept.Add(count.kept.Load())
		afterwards(again)
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d crashes, %d writes answered, none lost; of %d under way at a kill %d had happened, none by half",
		crashRounds, answered(writers), total.pending.Load(), total.kept.Load())
}

// write lets everybody write, and kills at some moment after the first answer.
func write(t *testing.T, writers []*crashWriter, c *client, kill func()) {
	t.Helper()
	before, after := answered(writers), time.Duration(crashFewest+rand.IntN(crashMost-crashFewest))*time.Millisecond
	begun, killed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killed)
		select {
		case <-begun:
			<-time.After(after) // the moment is to be any
		case <-time.After(patience):
		}
		kill()
	}()
	begin := sync.OnceFunc(func() { close(begun) })
	inParallel(writers, func(w *crashWriter) { w.write(t, c, begin) })
	<-killed
	if answered(writers) == before {
		t.Errorf("nothing was answered in %v: this says nothing", patience)
	}
}

func inParallel(writers []*crashWriter, do func(*crashWriter)) {
	var all sync.WaitGroup
	for _, w := range writers {
		all.Go(func() { do(w) })
	}
	all.Wait()
}

func answered(writers []*crashWriter) (n int) {
	for _, w := range writers {
		n += w.answered
	}
	return n
}

// crashCount is what was looked at after a crash.
type crashCount struct {
	accounts, sessions, pending, kept atomic.Int64
}

// crashWriter has accounts that nobody else writes to, and sends one request after the other.
type crashWriter struct {
	number   int
	accounts []*crashAccount
	answered int
}

// crashAccount is what a writer knows of an account.
type crashAccount struct {
	email, userID string
	password      string
	shown         profile
	// sessions are those that are open, ended those that are not any more.
	sessions, ended []*crashSession
	// pending is the request that was not answered; nil when all were.
	pending *pendingWrite
}

// crashSession is what a login has given; refresh is "" once its answer was lost.
type crashSession struct{ access, refresh string }

// profile is what one edit changes at once.
type profile struct{ name, lastName, slug string }

func (p profile) body() form { return form{"name": p.name, "last_name": p.lastName, "slug": p.slug} }

// pendingWrite is one of the five, as it would be after the answer.
type pendingWrite struct {
	registers bool
	edits     *profile
	// opens is the session of a login.
	opens *crashSession
	// refreshes is a session of which refreshed will be what is left of it.
	refreshes, refreshed *crashSession
	// password is the new one, changed in session by.
	password string
	by       *crashSession
}

func (p pendingWrite) String() string {
	switch {
	case p.registers:
		return "the registration"
	case p.edits != nil:
		return "an edit"
	case p.opens != nil:
		return "a login"
	case p.refreshes != nil:
		return "a refresh"
	default:
		return "a change of password"
	}
}

// write sends requests until one is not answered, and reports each answer.
func (w *crashWriter) write(t *testing.T, c *client, report func()) {
	for {
		a := w.next()
		got, err := a.send(c)
		if err != nil || got.status == http.StatusServiceUnavailable { // which says that it may have happened or not
			return
		}
		if got.status >= http.StatusMultipleChoices {
			t.Errorf("%s: %v was answered with %v", a.email, a.pending, got)
			return
		}
		a.happened()
		w.answered++
		report()
	}
}

// next chooses what to do and with which account.
func (w *crashWriter) next() *crashAccount {
	if len(w.accounts) == 0 || rand.IntN(4) == 0 {
		a := &crashAccount{
			email:    fmt.Sprintf("w%d-a%d@example.org", w.number, len(w.accounts)),
			password: ordinaryPassword,
			shown:    profile{name: fmt.Sprintf("Писатель %d", w.number), lastName: fmt.Sprintf("Account %d", len(w.accounts))},
			pending:  &pendingWrite{registers: true},
		}
		w.accounts = append(w.accounts, a)
		return a
	}
	a := w.accounts[rand.IntN(len(w.accounts))]
	a.pending = &pendingWrite{}
	if len(a.sessions) == 0 {
		a.pending.opens = &crashSession{}
		return a
	}
	session := a.sessions[rand.IntN(len(a.sessions))]
	switch n := rand.IntN(4); {
	case n == 0:
		a.pending.opens = &crashSession{}
	case n == 1:
		mark := fmt.Sprintf("%d-%x", w.number, rand.Uint64())
		a.pending.edits = &profile{name: "Name " + mark, lastName: "Last name " + mark, slug: "slug-" + mark}
	case n == 2 && session.refresh != "":
		a.pending.refreshes, a.pending.refreshed = session, &crashSession{}
	default:
		a.pending.password, a.pending.by = fmt.Sprintf("the password number %d", rand.Uint64()), session
	}
	return a
}

// send sends what is pending. An error means no answer.
func (a *crashAccount) send(c *client) (got answer, err error) {
	switch p := a.pending; {
	case p.registers:
		return a.register(c)
	case p.edits != nil:
		return c.try("PATCH", "/api/users/me", a.sessions[0].access, p.edits.body())
	case p.opens != nil:
		got, err = c.try("POST", "/api/users/login", "", form{"email": a.email, "password": a.password})
		*p.opens = sessionOf(got)
	case p.refreshes != nil:
		got, err = c.try("POST", "/api/users/refresh", "", form{"refresh_token": p.refreshes.refresh})
		*p.refreshed = sessionOf(got)
	default:
		return c.try("POST", "/api/users/change-password", p.by.access, form{"current_password": a.password, "new_password": p.password})
	}
	return got, err
}

func sessionOf(a answer) crashSession {
	return crashSession{access: a.text("access_token"), refresh: a.text("refresh_token")}
}

func (a *crashAccount) register(c *client) (answer, error) { return a.registerBy(c.try) }

func (a *crashAccount) registerAgain(c *client) (answer, error) { return a.registerBy(c.steady) }

func (a *crashAccount) registerBy(send func(method, path, token string, body any) (answer, error)) (answer, error) {
	got, err := send("POST", "/api/users/register", "",
		form{"name": a.shown.name, "last_name": a.shown.lastName, "email": a.email, "password": a.password})
	a.userID, a.shown.slug = got.text("user_id"), got.text("slug")
	return got, err
}

// happened makes what was pending the present state.
func (a *crashAccount) happened() {
	switch p := a.pending; {
	case p.registers:
	case p.edits != nil:
		a.shown = *p.edits
	case p.opens != nil:
		a.sessions = append(a.sessions, p.opens)
	case p.refreshes != nil:
		*p.refreshes = *p.refreshed
	default:
		a.ended = append(a.ended, slices.DeleteFunc(a.sessions, func(s *crashSession) bool { return s == p.by })...)
		a.password, a.sessions = p.password, []*crashSession{p.by}
	}
	a.pending = nil
}

// check looks at every account of the writer, and goes on from what it finds.
func (w *crashWriter) check(t *testing.T, c *client, count *crashCount) {
	for _, a := range w.accounts {
		count.accounts.Add(1)
		if a.pending != nil {
			count.pending.Add(1)
			happened, err := a.settle(c)
			if err != nil {
				t.Error(err)
				return
			}
			if happened {
				count.kept.Add(1)
			}
		}
		a.checkWhole(t, c, count)
	}
}

// settle finds out whether what was pending has happened, and takes note of it. Whether it has as a whole is looked at afterwards.
func (a *crashAccount) settle(c *client) (happened bool, err error) {
	switch p := a.pending; {
	case p.registers:
		happened, err = a.settleRegistration(c)
	case p.opens != nil: // a session whose tokens nobody has
	case p.refreshes != nil:
		p.refreshes.refresh = "" // it may have been replaced by one that nobody has; the access token is as good as before
	case p.edits != nil:
		var me answer
		me, err = c.steady("GET", "/api/users/me", a.sessions[0].access, nil)
		happened = me.text("name") == p.edits.name
	default:
		var in answer
		in, err = c.steady("POST", "/api/users/login", "", form{"email": a.email, "password": p.password})
		happened = in.status == http.StatusOK
	}
	if happened {
		a.happened()
	}
	a.pending = nil
	return happened, err
}

// settleRegistration: an account that is there lets its owner in, and one that is not can be registered now. Anything else would be half
// an account.
func (a *crashAccount) settleRegistration(c *client) (happened bool, err error) {
	in, err := c.steady("POST", "/api/users/login", "", form{"email": a.email, "password": a.password})
	if err != nil {
		return false, err
	}
	if in.status == http.StatusOK {
		me, err := c.steady("GET", "/api/users/me", in.text("access_token"), nil)
		a.userID, a.shown.slug = me.text("user_id"), me.text("slug")
		return true, err
	}
	again, err := a.registerAgain(c)
	if err == nil && again.status != http.StatusCreated {
		err = fmt.Errorf("%s was registered by half: its owner cannot log in (%v), and the address cannot be registered (%v)", a.email, in, again)
	}
	return false, err
}

// checkWhole compares the account with what its owner was told.
func (a *crashAccount) checkWhole(t *testing.T, c *client, count *crashCount) {
	in, err := c.steady("POST", "/api/users/login", "", form{"email": a.email, "password": a.password})
	if err != nil || in.status != http.StatusOK {
		t.Errorf("%s cannot log in any more: %v %v", a.email, in, err)
		return
	}
	for _, session := range append([]*crashSession{{access: in.text("access_token")}}, a.sessions...) {
		count.sessions.Add(1)
		me, err := c.steady("GET", "/api/users/me", session.access, nil)
		shown := profile{name: me.text("name"), lastName: me.text("last_name"), slug: me.text("slug")}
		switch {
		case err != nil || me.status != http.StatusOK:
			t.Errorf("%s: a session that was answered is lost: %v %v", a.email, me, err)
		case me.text("user_id") != a.userID || me.text("email") != a.email || me.text("role") != "user":
			t.Errorf("%s (%s) became %v", a.email, a.userID, me)
		case shown != a.shown:
			t.Errorf("%s has the profile %+v, and its owner was told %+v", a.email, shown, a.shown)
		}
		if session.refresh == "" {
			continue
		}
		again, err := c.steady("POST", "/api/users/refresh", "", form{"refresh_token": session.refresh})
		if err != nil || again.status != http.StatusOK {
			t.Errorf("%s: a refresh token that was answered is lost: %v %v", a.email, again, err)
		}
		*session = sessionOf(again)
	}
	for _, session := range a.ended {
		count.sessions.Add(1)
		if me, err := c.steady("GET", "/api/users/me", session.access, nil); err != nil || me.status != http.StatusUnauthorized {
			t.Errorf("%s: a session that a change of password had ended is back: %v %v", a.email, me, err)
		}
	}
	a.ended = nil
}

// isSound asks SQLite to look through the whole file.
func isSound(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check says %q, %v", verdict, err)
	}
	var orphans int
	if err := db.QueryRow("SELECT count(*) FROM pragma_foreign_key_check").Scan(&orphans); err != nil || orphans > 0 {
		t.Errorf("%d rows refer to rows that are not there, %v", orphans, err)
	}
}
