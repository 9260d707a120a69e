package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/redistest"
)

// person is an account and a token of it.
type person struct{ userID, token string }

func (s *server) person(t *testing.T, name string) person {
	t.Helper()
	p := person{userID: s.register(t, name)}
	p.token = s.tokens(t, address(name)).text("access_token")
	return p
}

// root is a token of the administrator that withAdmin made.
func (s *server) root(t *testing.T) string {
	t.Helper()
	return s.call(t, http.StatusOK, "POST", "/api/users/login", "", form{"email": adminEmail, "password": adminPassword}).text("access_token")
}

// founds makes a community with the first person as its admin, by the power of a platform admin who then leaves it.
func (s *server) founds(t *testing.T, root string, admin person, slug string) string {
	t.Helper()
	made := s.call(t, http.StatusCreated, "POST", "/api/communities", root, form{"slug": slug, "name": slug})
	var c struct{ ID int }
	if err := json.Unmarshal([]byte(made.raw), &c); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/api/communities/%d", c.ID)
	s.gives(t, root, path, admin, "admin")
	s.call(t, http.StatusOK, "POST", path+"/leave", root, nil)
	return path
}

func (s *server) gives(t *testing.T, by, community string, to person, roles ...string) {
	t.Helper()
	s.call(t, http.StatusOK, "PUT", community+"/members/"+to.userID+"/roles", by, map[string]any{"roles": roles})
}

// TestTwoAdminsDemoteEachOther races them over HTTP; whatever happens, one stays.
func TestTwoAdminsDemoteEachOther(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *server) {
		root := s.root(t)
		anna, boris := s.person(t, "anna"), s.person(t, "boris")
		community := s.founds(t, root, anna, "owls")
		answers := map[int]int{}
		for round := range demotions {
			s.gives(t, root, community, anna, "admin")
			s.gives(t, root, community, boris, "admin")
			var mu sync.Mutex
			var both sync.WaitGroup
			demote := func(by, them person) {
				method, path, body := "PUT", community+"/members/"+them.userID+"/roles", any(map[string]any{"roles": []string{"editor"}})
				switch round % 3 {
				case 1:
					method, path, body = "DELETE", community+"/members/"+them.userID, nil
				case 2:
					method, path, body = "POST", community+"/leave", nil
				}
				got, err := s.steady(method, path, by.token, body)
				mu.Lock()
				defer mu.Unlock()
				if answers[got.status]++; err != nil {
					t.Error(err)
				}
			}
			both.Go(func() { demote(anna, boris) })
			both.Go(func() { demote(boris, anna) })
			both.Wait()
			if admins := s.call(t, http.StatusOK, "GET", community+"/members?role=admin", root, nil); strings.Contains(admins.raw, `"total":0`) {
				t.Fatalf("round %d left no admin: %v", round, admins)
			}
		}
		t.Logf("answers to %d rounds of two: %v", demotions, answers)
	})
}

// TestABulkKeepsNobodyWaiting assigns roles to many accounts at once, while others write to the same community and elsewhere.
func TestABulkKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *server) {
		root := s.root(t)
		anna := s.person(t, "anna")
		community := s.founds(t, root, anna, "owls")
		ids := s.crowd(t, bulkRows)
		rows := make([]map[string]any, len(ids))
		for i, id := range ids {
			rows[i] = map[string]any{"user_id": id, "roles": []string{[]string{"reader", "author", "expert"}[i%3]}}
		}
		s.bulk(t, http.StatusOK, community, anna, "add", rows[:len(rows)/3]) // so that the next one finds members and others

		for i := range rows {
			rows[i]["roles"] = []string{"reader", []string{"author", "artist"}[i%2]}
		}
		var longest, writes atomic.Int64
		stop, writers := make(chan struct{}), sync.WaitGroup{}
		for _, write := range s.otherWrites(t, root, community) {
			writers.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					begun := time.Now()
					write(i)
					writes.Add(1)
					raise(&longest, int64(time.Since(begun)))
				}
			})
		}
		begun := time.Now()
		got := s.bulk(t, http.StatusOK, community, anna, "replace", rows)
		took := time.Since(begun)
		close(stop)
		writers.Wait()
		t.Logf("%d rows in %v; beside it %d other writes, the longest took %v", len(rows), took, writes.Load(), time.Duration(longest.Load()))
		if n := strings.Count(got.raw, `"status":"`); n != len(rows) {
			t.Errorf("%d results for %d rows", n, len(rows))
		}
		if hold && (took > 10*time.Second || time.Duration(longest.Load()) > time.Second) {
			t.Errorf("the bulk took %v and kept another write waiting for %v", took, time.Duration(longest.Load()))
		}
		s.oneWrongRow(t, community, anna, rows)
	})
}

// raise makes n the value if it is larger.
func raise(value *atomic.Int64, n int64) {
	for old := value.Load(); n > old; old = value.Load() {
		if value.CompareAndSwap(old, n) {
			return
		}
	}
}

// oneWrongRow sends a bulk whose last row is wrong.
func (s *server) oneWrongRow(t *testing.T, community string, anna person, rows []map[string]any) {
	t.Helper()
	before := s.call(t, http.StatusOK, "GET", community+"/members?role=author", anna.token, nil).raw
	for _, row := range rows {
		row["roles"] = []string{"editor"}
	}
	rows[len(rows)-1]["roles"] = []string{"king"}
	got := s.bulk(t, http.StatusUnprocessableEntity, community, anna, "replace", rows)
	if want := fmt.Sprintf("members[%d].roles[0]", len(rows)-1); !strings.Contains(got.raw, want) {
		t.Errorf("%s is not named: %v", want, got)
	}
	if after := s.call(t, http.StatusOK, "GET", community+"/members?role=author", anna.token, nil).raw; after != before {
		t.Error("a bulk with a wrong row changed something")
	}
}

// otherWrites are small changes of others: an account that is made, a member of the same community who gets a role, one who comes and goes.
func (s *server) otherWrites(t *testing.T, root, community string) []func(int) {
	member, guest := s.person(t, "member"), s.person(t, "guest")
	check := func(what string, got answer, err error) {
		if err != nil || got.status >= 300 {
			t.Errorf("%s: %v %v", what, got, err)
		}
	}
	return []func(int){
		func(i int) {
			got, err := s.steady("POST", "/api/users/register", "", registration(fmt.Sprintf("latecomer%d", i)))
			check("registering", got, err)
		},
		func(i int) {
			role := []string{"reader", "author"}[i%2]
			got, err := s.steady("PUT", community+"/members/"+member.userID+"/roles", root, map[string]any{"roles": []string{role}})
			check("giving a role", got, err)
		},
		func(i int) {
			got, err := s.steady("POST", community+[]string{"/join", "/leave"}[i%2], guest.token, nil)
			check("coming and going", got, err)
		},
	}
}

func (s *server) bulk(t *testing.T, want int, community string, by person, mode string, rows []map[string]any) answer {
	t.Helper()
	return s.call(t, want, "POST", community+"/members/bulk", by.token, map[string]any{"mode": mode, "members": rows})
}

// crowd registers n people and gives their user_ids.
func (s *server) crowd(t *testing.T, n int) []string {
	t.Helper()
	ids := make([]string, n)
	var next atomic.Int64
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !t.Failed(); i = int(next.Add(1)) - 1 {
				got, err := s.steady("POST", "/api/users/register", "", registration(fmt.Sprintf("person%d", i)))
				if ids[i] = got.text("user_id"); err != nil || ids[i] == "" {
					t.Errorf("registering: %v %v", got, err)
				}
			}
		})
	}
	clients.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return ids
}

// TestRedisMayCostTimeAndNeverADecision asks a server whose Redis is well, flushed, forged, killed and frozen. Each community has lists of its own, so
// none is remembered for another; what the server remembers of one is forgotten by a restart, or because there are too many.
func TestRedisMayCostTimeAndNeverADecision(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	dir := t.TempDir()
	up := func() *server {
		return serve(t, setup{dir: dir, env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: append([]string{"--redis", redis.URL()}, quiet...)})
	}
	s := up()
	root := s.root(t)
	boris := s.person(t, "boris")
	ids := make([]string, mirrored)
	for i := range ids {
		ids[i] = strings.TrimPrefix(s.founds(t, root, boris, fmt.Sprintf("c%d", i)), "/api/communities/")
		s.call(t, http.StatusCreated, "POST", "/api/communities/"+ids[i]+"/roles", root, map[string]any{"id": "special", "name": "Special", "permissions": special(i)})
		s.gives(t, root, "/api/communities/"+ids[i], person{userID: s.whoIs(t, root)}, "admin") // or boris would be the last one
		s.gives(t, root, "/api/communities/"+ids[i], boris, "special")
	}
	modes := []struct {
		name   string
		begin  func()
		during func()
	}{
		{"well", func() {}, nil},
		{"flushed", func() {}, func() { _, _ = redis.Try("FLUSHALL") }},
		{"forged", func() {}, func() {
			for _, id := range ids {
				_, _ = redis.Try("SET", "community:roles:"+id, `{"admin":["*"],"special":["member:assign_role","shout:create","shout:delete_any","shout:read","topic:merge"]}`)
			}
		}},
		{"frozen", func() { redis.Freeze(t) }, nil},
		{"killed", func() { redis.Thaw(t); redis.Kill(t) }, nil},
	}
	for _, mode := range modes {
		if !hold {
			s.stop(t)
			s = up()
		}
		mode.begin()
		s.asks(t, mode.name, boris, ids, mode.during)
	}
}

// special is the list of the n-th community: no two are alike.
func special(n int) []string {
	all := []string{
		"shout:create", "shout:read", "topic:create", "topic:read", "topic:merge", "collection:create", "collection:read", "invite:create", "invite:read",
		"invite:accept", "invite:decline",
	}
	var list []string
	for i, p := range all {
		if (n+1)>>i&1 == 1 {
			list = append(list, p)
		}
	}
	return list
}

func (s *server) whoIs(t *testing.T, token string) string {
	t.Helper()
	return s.call(t, http.StatusOK, "GET", "/api/users/me", token, nil).text("user_id")
}

// asks checks permissions in turn in every community, while during is done again and again, and tells what it took.
func (s *server) asks(t *testing.T, name string, who person, ids []string, during func()) {
	t.Helper()
	stop, meddling := make(chan struct{}), sync.WaitGroup{}
	if during != nil {
		meddling.Go(func() {
			for {
				during()
				select {
				case <-stop:
					return
				case <-time.After(meddleEvery):
				}
			}
		})
	}
	took := make([]time.Duration, redisChecks)
	for i := range took {
		n := i % len(ids)
		permission := []string{"shout:create", "shout:read", "topic:merge", "shout:delete_any", "member:assign_role"}[i/len(ids)%5]
		begun := time.Now()
		got := s.call(t, http.StatusOK, "POST", "/api/check", who.token, map[string]any{"permission": permission, "community_id": json.Number(ids[n])})
		took[i] = time.Since(begun)
		if want := slices.Contains(special(n), permission); strings.Contains(got.raw, `"allowed":true`) != want {
			t.Errorf("%s: %s in community %s: %v, want %t", name, permission, ids[n], got, want)
		}
	}
	close(stop)
	meddling.Wait()
	slices.Sort(took)
	t.Logf("Redis %s: %d checks, median %v, p99 %v, longest %v", name, len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}
