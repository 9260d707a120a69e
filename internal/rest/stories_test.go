package rest_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

func TestRegisteredUserLooksAsDescribed(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		got := s.Call("POST", "/api/users/register", "", map[string]string{
			"name": " Анна ", "last_name": "Смирнова", "email": " Anna@Example.ORG ", "password": apptest.Password,
		})
		want := map[string]any{
			"name": "Анна", "last_name": "Смирнова", "slug": "anna-smirnova", "email": "Anna@Example.ORG", "role": "user",
			"is_active": true, "last_seen": nil, "id": 2.0,
		}
		for _, field := range []string{"created_at", "updated_at"} {
			if _, err := time.Parse(time.RFC3339, got.Text(field)); err != nil {
				t.Errorf("%s: %v", field, err)
			}
			delete(got.Body, field)
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`).MatchString(got.Text("user_id")) {
			t.Errorf("user_id %q", got.Text("user_id"))
		}
		delete(got.Body, "user_id")
		if diff := cmp.Diff(want, got.Body); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		again := s.Call("POST", "/api/users/register", "", map[string]string{"name": "Анна", "last_name": "Смирнова", "email": "b@example.org", "password": apptest.Password})
		if again.Text("slug") != "anna-smirnova-2" {
			t.Errorf("the second of that name has slug %q", again.Text("slug"))
		}
	})
}

func TestTwoHundredRegistrationsOfOneAddressMakeOneUser(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on, func(c *config.Config) { c.PasswordSlots, c.PasswordQueue = 1, 2 })
		var mu sync.Mutex
		statuses := map[int]int{}
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				address := []string{"anna@example.org", "ANNA@example.org", " Anna@Example.Org"}[i%3]
				got := s.Call("POST", "/api/users/register", "", map[string]string{"name": "Anna", "email": address, "password": apptest.Password})
				mu.Lock()
				defer mu.Unlock()
				statuses[got.Status]++
			})
		}
		all.Wait()
		if diff := cmp.Diff(map[int]int{201: 1, 409: 199}, statuses); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		list := s.Call("GET", "/api/admin/users?search=anna", s.Admin(), nil)
		if list.Body["total"] != 1.0 {
			t.Errorf("%v accounts with that address", list.Body["total"])
		}
	})
}

// A door that tells unknown addresses, wrong passwords and inactive accounts apart is a way to list who has an account.
func TestRefusedLoginsAreAllAlike(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna, eve := s.Register("Anna"), s.Register("Eve")
		s.Call("PUT", "/api/admin/block/"+eve.UserID, s.Admin(), nil)
		seen := map[string]string{}
		for who, in := range map[string][2]string{
			"unknown address": {"nobody@example.org", apptest.Password},
			"wrong password":  {anna.Email, "not her password"},
			"blocked":         {eve.Email, apptest.Password},
			"malformed":       {"no address at all", apptest.Password},
			"hostile":         {"' OR 1=1 --", apptest.Password},
		} {
			got := s.Call("POST", "/api/users/login", "", map[string]string{"email": in[0], "password": in[1]})
			if got.Status != http.StatusUnauthorized {
				t.Errorf("%s: %d", who, got.Status)
			}
			for _, varying := range []string{"Date", "X-Request-Id"} {
				got.Header.Del(varying)
			}
			delete(got.Body, "request_id")
			header, _ := json.Marshal(got.Header)
			body, _ := json.Marshal(got.Body)
			seen[string(header)+string(body)] = who
		}
		if len(seen) != 1 {
			t.Errorf("refusals differ: %v", seen)
		}
	})
}

func TestADeadTokenDoesNotKeepAnybodyFromLoggingIn(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna := s.Register("Anna")
		s.Call("POST", "/api/users/logout", anna.Token, nil)
		for _, header := range []string{"Bearer " + anna.Token, "Bearer ", "", "Basic eDp5", "nonsense"} {
			request, _ := http.NewRequest("POST", s.URL+"/api/users/login",
				strings.NewReader(`{"email":"`+anna.Email+`","password":"`+apptest.Password+`"}`))
			request.Header["Authorization"] = []string{header}
			if got := s.Send(request); got.Status != 200 {
				t.Errorf("with Authorization %q login answers %d", header, got.Status)
			}
		}
	})
}

func TestWhatEndsASession(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		shared := apptest.Start(t, on)
		for how, end := range map[string]func(s *apptest.Server, anna apptest.Person){
			"logout": func(s *apptest.Server, anna apptest.Person) { s.Call("POST", "/api/users/logout", anna.Token, nil) },
			"logout-all": func(s *apptest.Server, anna apptest.Person) {
				s.Call("POST", "/api/users/logout-all", s.Login(anna.Email, apptest.Password), nil)
			},
			"blocked": func(s *apptest.Server, anna apptest.Person) {
				s.Call("PUT", "/api/admin/block/"+anna.UserID, s.Admin(), nil)
			},
			"deleted": func(s *apptest.Server, anna apptest.Person) {
				s.Call("DELETE", "/api/users/", s.Login(anna.Email, apptest.Password), nil)
			},
			"password changed elsewhere": func(s *apptest.Server, anna apptest.Person) {
				s.Call("POST", "/api/users/change-password", s.Login(anna.Email, apptest.Password),
					map[string]string{"current_password": apptest.Password, "new_password": "another ordinary sentence"})
			},
			"blocked and unblocked": func(s *apptest.Server, anna apptest.Person) {
				s.Call("PUT", "/api/admin/block/"+anna.UserID, s.Admin(), nil)
				s.Call("PUT", "/api/admin/unblock/"+anna.UserID, s.Admin(), nil)
			},
		} {
			t.Run(how, func(t *testing.T) {
				t.Parallel()
				s := shared.For(t)
				anna := s.Register("Anna")
				if got := s.Call("GET", "/api/users/me", anna.Token, nil); got.Status != 200 {
					t.Fatalf("before: %d", got.Status)
				}
				end(s, anna)
				if got := s.Call("GET", "/api/users/me", anna.Token, nil); got.Status != 401 {
					t.Errorf("after: %d %s", got.Status, got.Raw)
				}
			})
		}
	})
}

func TestChangingThePasswordKeepsThisSession(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna := s.Register("Anna")
		change := map[string]string{"current_password": "not it", "new_password": "another ordinary sentence"}
		if got := s.Call("POST", "/api/users/change-password", anna.Token, change); got.Status != 403 || got.Text("code") != "wrong_password" {
			t.Errorf("with a wrong password: %d %s", got.Status, got.Raw)
		}
		change["current_password"] = apptest.Password
		if got := s.Call("POST", "/api/users/change-password", anna.Token, change); got.Status != 200 {
			t.Errorf("with the right one: %d %s", got.Status, got.Raw)
		}
		if got := s.Call("GET", "/api/users/me", anna.Token, nil); got.Status != 200 {
			t.Errorf("this session: %d", got.Status)
		}
		s.Login(anna.Email, "another ordinary sentence")
	})
}

func TestNobodyActsUponThoseNotBelow(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		moderator, other, admin := s.WithRole("Max", "moderator"), s.WithRole("Olga", "moderator"), s.WithRole("Ada", "admin")
		for who, userID := range map[string]string{"another moderator": other.UserID, "an admin": admin.UserID, "himself": moderator.UserID} {
			for _, act := range []string{"block", "unblock"} {
				got := s.Call("PUT", "/api/admin/"+act+"/"+userID, moderator.Token, nil)
				if got.Status != 403 || got.Text("code") != "above_own_rights" {
					t.Errorf("a moderator may %s %s: %d %s", act, who, got.Status, got.Raw)
				}
			}
		}
	})
}

func TestAnAccountItsOwnerDeletedIsRestoredByAnAdminOnly(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna, moderator := s.Register("Anna"), s.WithRole("Max", "moderator")
		s.Call("DELETE", "/api/users/me", anna.Token, nil)
		s.Call("PUT", "/api/admin/block/"+anna.UserID, moderator.Token, nil)
		if got := s.Call("PUT", "/api/admin/unblock/"+anna.UserID, moderator.Token, nil); got.Text("code") != "deleted_by_owner" {
			t.Errorf("a moderator: %d %s", got.Status, got.Raw)
		}
		if got := s.Call("PUT", "/api/admin/unblock/"+anna.UserID, s.Admin(), nil); got.Body["is_active"] != true {
			t.Errorf("an admin: %d %s", got.Status, got.Raw)
		}
		s.Login(anna.Email, apptest.Password)
	})
}

func TestTheLastAdminStays(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		root := s.Admin()
		me := s.Call("GET", "/api/users/me", root, nil).Text("user_id")
		for what, call := range map[string]func() apptest.Answer{
			"deletes himself": func() apptest.Answer { return s.Call("DELETE", "/api/users/", root, nil) },
			"blocks himself":  func() apptest.Answer { return s.Call("PUT", "/api/admin/block/"+me, root, nil) },
			"demotes himself": func() apptest.Answer {
				return s.Call("POST", "/api/admin/change-role", root, map[string]string{"user_id": me, "role": "user"})
			},
		} {
			if got := call(); got.Status != 409 || got.Text("code") != "last_admin" {
				t.Errorf("the last admin %s: %d %s", what, got.Status, got.Raw)
			}
		}
	})
}

// Two admins who demote each other at the same moment would leave the platform without one, if check and change were not one.
func TestTwoAdminsDemotingEachOtherLeaveOne(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		ada := s.WithRole("Ada", "admin")
		root := s.Admin()
		rootID := s.Call("GET", "/api/users/me", root, nil).Text("user_id")
		for range 20 {
			var both sync.WaitGroup
			both.Go(func() {
				s.Call("POST", "/api/admin/change-role", root, map[string]string{"user_id": ada.UserID, "role": "user"})
			})
			both.Go(func() {
				s.Call("POST", "/api/admin/change-role", ada.Token, map[string]string{"user_id": rootID, "role": "user"})
			})
			both.Wait()
			left := root
			if s.Call("GET", "/api/admin/users?role=admin", root, nil).Status != 200 {
				left = ada.Token
			}
			if got := s.Call("GET", "/api/admin/users?role=admin&active=true", left, nil); got.Body["total"] != 1.0 {
				t.Fatalf("%v admins left: %s", got.Body["total"], got.Raw)
			}
			for _, id := range []string{ada.UserID, rootID} {
				s.Call("POST", "/api/admin/change-role", left, map[string]string{"user_id": id, "role": "admin"})
			}
		}
	})
}

func TestListOfUsersPagesAndSearches(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		for email, name := range map[string]string{"a@example.org": "Анна", "b@example.org": "АННА", "c@example.org": "Boris", "d@example.org": "100%_sure"} {
			s.Call("POST", "/api/users/register", "", map[string]string{"name": name, "email": email, "password": apptest.Password})
		}
		root := s.Admin()
		for query, total := range map[string]float64{"анна": 2, "BORIS": 1, "%25": 1, "_": 1, "nobody": 0} {
			if got := s.Call("GET", "/api/admin/users?search="+query, root, nil); got.Body["total"] != total {
				t.Errorf("search %q finds %v: %s", query, got.Body["total"], got.Raw)
			}
		}
		page := s.Call("GET", "/api/admin/users?page=2&limit=2", root, nil)
		if page.Body["has_next"] != true || page.Body["page"] != 2.0 || page.Body["limit"] != 2.0 || len(page.Body["users"].([]any)) != 2 {
			t.Errorf("the second page of two: %s", page.Raw)
		}
		if far := s.Call("GET", "/api/admin/users?page=9999", root, nil); far.Body["has_next"] != false || far.Body["users"] == nil {
			t.Errorf("a page far beyond the end: %s", far.Raw)
		}
	})
}

func TestNoSecretReachesTheLog(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on, func(c *config.Config) { _ = c.LogLevel.Set("debug") })
		anna := s.Register("Anna")
		s.Call("GET", "/api/users/me?token="+anna.Token, anna.Token, nil)
		s.Call("GET", "/nowhere/"+anna.Token, anna.Token, nil)
		s.Call("POST", "/api/users/login", "", map[string]string{"email": anna.Email, "password": "wrong-secret-horse"})
		s.Call("POST", "/api/users/register", "", `{"name":"N","email":"bad","password":"wrong-secret-horse","x":"wrong-secret-horse"}`)
		request, _ := http.NewRequest("GET", s.URL+"/healthz", nil)
		request.Header.Set("X-Request-ID", "inject\"} {\"level\":\"ERROR")
		request.Header.Set("User-Agent", "line\tone")
		s.Send(request)
		s.Stop()
		for _, secret := range []string{anna.Token, apptest.Password, "wrong-secret-horse", apptest.AdminPassword, "inject"} {
			if strings.Contains(s.Log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
		lines := strings.SplitSeq(strings.TrimSpace(s.Log.String()), "\n")
		for line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("no JSON line: %s", line)
			}
		}
		if requests := strings.Count(s.Log.String(), `"msg":"request"`); requests != 7 {
			t.Errorf("%d lines for 7 requests", requests)
		}
	})
}

func TestBodiesOverAMebibyteAreRefused(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	huge := `{"email":"` + strings.Repeat("a", 1<<20) + `","password":"x"}`
	if got := s.Call("POST", "/api/users/login", "", huge); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", got.Status)
	}
}

func TestCORSAnswersListedOriginsOnly(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, func(c *config.Config) { c.CORSOrigins = []string{"https://app.example.org"} })
	for origin, allowed := range map[string]string{
		"https://app.example.org": "https://app.example.org", "https://evil.example": "", "null": "", "https://app.example.org.evil.example": "",
	} {
		request, _ := http.NewRequest(http.MethodOptions, s.URL+"/api/users/login", nil)
		request.Header.Set("Origin", origin)
		request.Header.Set("Access-Control-Request-Method", "POST")
		got := s.Send(request)
		if got.Header.Get("Access-Control-Allow-Origin") != allowed || got.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("origin %s: %v", origin, got.Header)
		}
	}
}
