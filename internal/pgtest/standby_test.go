//go:build unix

package pgtest

import "testing"

func TestAStandbyHasWhatWasAnswered(t *testing.T) {
	primary := Start(t)
	standby := primary.Standby(t, "second")
	primary.Synchronous(t, "second")
	primary.Follows(t)
	tell(t, primary.URL("postgres"), "INSERT INTO pg_description VALUES (1, 1, 1, 'answered')")
	primary.Kill(t)
	standby.Promote(t)
	url := primary.Either(standby, "postgres")
	if n := ask[int](t, url, "SELECT count(*) FROM pg_description WHERE description = 'answered'"); n != 1 {
		t.Errorf("the standby has %d rows of the 1 that was answered", n)
	}
}
