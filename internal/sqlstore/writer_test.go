package sqlstore

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

var errRefused = errors.New("refused")

func inserting(n int64) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, err := tx.InsertUser(numbered(n))
		return err
	}
}

// handleOf is the connection beneath a transaction, for tests that break it.
func handleOf(tx_ store.Tx) *handle { return tx_.(tx).db.(*handle) }

// inOneGroup makes all updates share one commit: while the first has its turn the others line up behind it.
func inOneGroup(s *Store, updates ...func(store.Tx) error) []error {
	answers := make([]error, len(updates))
	started, goOn := make(chan struct{}), make(chan struct{})
	finished := make(chan struct{})
	go func() {
		answers[0] = s.Update(context.Background(), func(tx store.Tx) error {
			close(started)
			<-goOn
			return updates[0](tx)
		})
		finished <- struct{}{}
	}()
	<-started
	for i, update := range updates[1:] {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					answers[i+1] = p.(error)
				}
				finished <- struct{}{}
			}()
			answers[i+1] = s.Update(context.Background(), update)
		}()
		synctest.Wait() // keeps them in order
	}
	close(goOn)
	for range updates {
		<-finished
	}
	return answers
}

func checkThere(t *testing.T, s *Store, numbers map[int64]bool) {
	t.Helper()
	for n, want := range numbers {
		_, err := s.Now(t.Context()).UserByUserID(numbered(n).UserID)
		if got := err == nil; got != want {
			t.Errorf("user %d is there: %v (%v), want %v", n, got, err, want)
		}
	}
}

func TestOneCommitForAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t)
		var updates []func(store.Tx) error
		want := map[int64]bool{}
		for n := range int64(32) {
			updates = append(updates, inserting(n))
			want[n] = true
		}
		updates[5] = func(tx store.Tx) error {
			_ = inserting(5)(tx)
			return errRefused
		}
		updates[6] = func(tx store.Tx) error {
			_ = inserting(6)(tx)
			panic(errRefused)
		}
		updates[7] = func(tx store.Tx) error { return inserting(1)(tx) } // a constraint
		want[5], want[6], want[7] = false, false, false
		for n, err := range inOneGroup(s, updates...) {
			if (err == nil) != want[int64(n)] {
				t.Errorf("%d was answered %v", n, err)
			}
		}
		checkThere(t, s, want)
		stats := s.Stats()
		if stats.Commits != 1 || stats.Updates != 32 || stats.GroupSizes != [groupSizeBuckets]uint64{5: 1} {
			t.Errorf("stats: %+v", stats)
		}
	})
}

func TestAGroupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t)
		updates := make([]func(store.Tx) error, maxGroup+1)
		for n := range updates {
			updates[n] = inserting(int64(n))
		}
		for n, err := range inOneGroup(s, updates...) {
			if err != nil {
				t.Errorf("%d: %v", n, err)
			}
		}
		if stats := s.Stats(); stats.Commits != 2 || stats.GroupSizes[groupSizeBuckets-1] != 1 || stats.GroupSizes[0] != 1 {
			t.Errorf("stats: %+v", stats)
		}
		slow := func(tx store.Tx) error {
			time.Sleep(maxGroupTime) // of the bubble's clock
			return nil
		}
		inOneGroup(s, slow, inserting(1000))
		if stats := s.Stats(); stats.Commits != 4 {
			t.Errorf("whoever came after %v had to share: %+v", maxGroupTime, stats)
		}
	})
}

// When SQLite itself gives up a transaction nobody of the group may be told that his work is there, and the next group must find a
// sound connection.
func TestABrokenTransactionFailsItsGroup(t *testing.T) {
	for name, breaks := range map[string]func(store.Tx) error{
		"the failure is swallowed": func(tx store.Tx) error {
			_, err := handleOf(tx).exec(context.Background(), "ROLLBACK")
			return err
		},
		"COMMIT fails": func(tx store.Tx) error {
			if _, err := handleOf(tx).exec(context.Background(), "PRAGMA defer_foreign_keys = 1"); err != nil {
				return err
			}
			return tx.InsertSession(store.SessionRow{Session: propusk.Session{ID: "x"}, UserID: 12345})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openTemp(t)
				if err := s.Update(t.Context(), inserting(1)); err != nil {
					t.Fatal(err)
				}
				before := s.Stats().Commits
				refused := func(tx store.Tx) error { return errRefused }
				answers := inOneGroup(s, inserting(2), refused, breaks, inserting(3))
				late := answers[3] == nil // is so if it came into a group of its own
				for n, err := range answers {
					if propusk.KindOf(err) != propusk.Unavailable && !(n == 3 && late) {
						t.Errorf("%d was answered %v", n, err)
					}
				}
				checkThere(t, s, map[int64]bool{1: true, 2: false, 3: late})
				if err := s.Update(t.Context(), inserting(4)); err != nil {
					t.Errorf("the next one: %v", errors.Unwrap(err))
				}
				checkThere(t, s, map[int64]bool{1: true, 4: true})
				if commits := s.Stats().Commits; commits > before+2 {
					t.Errorf("a commit was counted that was not: %d", commits-before)
				}
			})
		})
	}
}

// A disk that is too full for one statement may have room for the others. What SQLite did, it did before it answered.
func TestAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t)
		tooBig := func(tx store.Tx) error {
			if _, err := handleOf(tx).exec(context.Background(), "PRAGMA max_page_count = 1"); err != nil {
				return err
			}
			row := numbered(2)
			row.PasswordHash = strings.Repeat("x", 1<<20)
			_, err := tx.InsertUser(row)
			if other := inserting(3)(tx); other != err {
				t.Errorf("the transaction went on: %v", other)
			}
			return nil
		}
		answers := inOneGroup(s, inserting(1), tooBig, inserting(4))
		if propusk.KindOf(answers[1]) != propusk.Unavailable {
			t.Errorf("a full disk is told as %v", answers[1])
		}
		there := map[int64]bool{1: answers[0] == nil, 2: false, 3: false, 4: answers[2] == nil}
		checkThere(t, s, there)
	})
}

func TestAnotherWriterIsWaitedFor(t *testing.T) {
	patient := writerPatience
	writerPatience = usualWriterPatience
	defer func() { writerPatience = patient }()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "propusk.db")
		s := openFile(t, path)
		other := raw(t, path)
		other.SetMaxOpenConns(1)

		mustExec(t, other, "BEGIN IMMEDIATE")
		answer := make(chan error)
		go func() { answer <- s.Update(context.Background(), inserting(1)) }()
		time.Sleep(writerPatience - time.Second)
		mustExec(t, other, "COMMIT")
		if err := <-answer; err != nil {
			t.Errorf("after the other writer had gone: %v", err)
		}

		mustExec(t, other, "BEGIN IMMEDIATE")
		begun := time.Now()
		for range 3 {
			go func() { answer <- s.Update(context.Background(), inserting(2)) }()
		}
		for range 3 {
			if err := <-answer; propusk.KindOf(err) != propusk.Unavailable {
				t.Errorf("under a writer that does not end: %v", err)
			}
		}
		if waited := time.Since(begun); waited < writerPatience || waited > writerPatience+time.Second {
			t.Errorf("gave up after %v", waited)
		}

		ctx, cancel := context.WithCancel(t.Context())
		for range 2 { // one has the turn, one waits for it
			go func() { answer <- s.Update(ctx, inserting(3)) }()
		}
		time.Sleep(time.Second)
		cancel()
		for range 2 {
			if err := <-answer; !errors.Is(err, context.Canceled) {
				t.Errorf("a caller that went was answered %v", err)
			}
		}
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("readers wait for writers: %v", err)
		}
		mustExec(t, other, "COMMIT")
		checkThere(t, s, map[int64]bool{1: true, 2: false, 3: false})
	})
}

func TestACallerWhoGoesDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t)
		ctx, cancel := context.WithCancel(t.Context())
		leaves := func(tx store.Tx) error {
			return s.Update(ctx, func(store.Tx) error { return nil }) // an Update in an Update waits for itself
		}
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		answers := inOneGroup(s, inserting(1), leaves)
		if answers[0] != nil || !errors.Is(answers[1], context.Canceled) {
			t.Errorf("answers: %v", answers)
		}
		checkThere(t, s, map[int64]bool{1: true})
	})
}

func TestWhoHasGoneTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			synctest.Wait() // the turn is offered, so taking it and leaving are equally possible
			if err := s.Update(ctx, inserting(1)); !errors.Is(err, context.Canceled) {
				t.Errorf("answered %v", err)
			}
		}
		checkThere(t, s, map[int64]bool{1: false})
	})
}

func TestATransactionEndsWithItsClosure(t *testing.T) {
	s := openTemp(t)
	var kept store.Tx
	if err := s.Update(t.Context(), func(tx store.Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := inserting(1)(kept); !errors.Is(err, errOver) {
		t.Errorf("a statement after the end answered %v", err)
	}
}

func TestCloseLetsTheGroupFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "propusk.db")
		s := openFile(t, path)
		answers := inOneGroup(s, inserting(1), func(tx store.Tx) error {
			go s.Close()
			synctest.Wait()
			return inserting(2)(tx)
		})
		if err := errors.Join(answers...); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		checkThere(t, openFile(t, path), map[int64]bool{1: true, 2: true})
	})
}
