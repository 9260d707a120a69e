package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// What the operator changes from the command line holds for the very next request to the server that runs beside it, which is busy with
// other people's writes meanwhile.
func TestTheCommandLineTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, setup{env: append(append(cheap, withAdmin...), unlimited)})
	stopWriting := s.keepBusy(t, 4)
	for round := range commandRounds {
		name := fmt.Sprintf("Anna%d", round)
		anna, id := address(name), s.register(t, name)
		token := s.login(t, anna, ordinaryPassword)
		me := func(want int) { t.Helper(); s.call(t, want, "GET", "/api/users/me", token, nil) }
		list := func(want int) { t.Helper(); s.call(t, want, "GET", "/api/admin/users", token, nil) }
		loginFails := func(password string) {
			t.Helper()
			s.call(t, http.StatusUnauthorized, "POST", "/api/users/login", "", form{"email": anna, "password": password})
		}

		me(200)
		s.command(t, "", "user", "block", anna)
		me(401)
		loginFails(ordinaryPassword)

		s.command(t, "", "user", "unblock", id)
		me(401) // an old session does not come back
		token = s.login(t, anna, ordinaryPassword)
		me(200)

		list(403)
		s.command(t, "", "user", "change-role", anna, "moderator")
		list(200)
		s.command(t, "", "user", "change-role", anna, "user")
		list(403)

		const next = "another ordinary sentence"
		s.command(t, next+"\n", "user", "set-password", anna)
		me(401)
		loginFails(ordinaryPassword)
		token = s.login(t, anna, next)
		me(200)

		boss := fmt.Sprintf("boss-%d@example.org", round)
		s.command(t, next+"\n", "admin", "create", boss)
		token = s.login(t, boss, next)
		found := s.call(t, 200, "GET", "/api/admin/users?role=admin&search="+boss, token, nil)
		if !strings.Contains(found.raw, boss) {
			t.Errorf("%s was created and is not listed: %v", boss, found)
		}
		if listed := s.command(t, "", "user", "list", "--search", name+"@"); !strings.Contains(listed, id) {
			t.Errorf("user list does not find %s, which registered at the server:\n%s", anna, listed)
		}
	}
	t.Logf("%d rounds of 7 commands, each held for the next request; %d writes of others meanwhile", commandRounds, stopWriting())
	s.stop(t)
	isSound(t, s.database)
}

// keepBusy has clients rename themselves until the returned function is called, which says how often they did.
func (s *server) keepBusy(t *testing.T, clients int) func() int {
	t.Helper()
	stop := make(chan struct{})
	var all sync.WaitGroup
	counts := make([]int, clients)
	for i := range clients {
		name := fmt.Sprintf("Busy%d", i)
		s.register(t, name)
		token := s.login(t, address(name), ordinaryPassword)
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := s.steady("PATCH", "/api/users/me", token, form{"last_name": fmt.Sprintf("Number %d", counts[i])})
				if err != nil || a.status != http.StatusOK {
					t.Errorf("%s cannot write beside the command line: %v %v", name, a, err)
					return
				}
				counts[i]++
				rest()
			}
		})
	}
	once := sync.OnceValue(func() (n int) {
		close(stop)
		all.Wait()
		for _, count := range counts {
			n += count
		}
		return n
	})
	t.Cleanup(func() { once() })
	return once
}
