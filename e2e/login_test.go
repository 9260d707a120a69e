package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// triesOfEach is how often one account is tried, less often than the limit on failed logins allows.
const triesOfEach = 8

// Three ways to fail at the door. Who knocks learns nothing of which it was: not from what is answered, and not from when.
func TestFailedLoginsAreAlike(t *testing.T) {
	besideOthers(t)
	s := serve(t, setup{
		env:  append([]string{"PROPUSK_PASSWORD_MEMORY=" + loginMemory, "PROPUSK_PASSWORD_ITERATIONS=" + loginIterations}, withAdmin...),
		args: append([]string{"--access-log", "off"}, trustingUs...),
	})
	admin := s.login(t, adminEmail, adminPassword)
	for n := range loginsOfEach/triesOfEach + 1 {
		s.register(t, fmt.Sprintf("Active%d", n))
		s.call(t, http.StatusOK, "PUT", "/api/admin/block/"+s.register(t, fmt.Sprintf("Blocked%d", n)), admin, nil)
	}
	ways := []struct{ name, account, password string }{
		{"unknown address", "Nobody%d", ordinaryPassword},
		{"wrong password", "Active%d", "a perfectly wrong sentence"},
		{"inactive account", "Blocked%d", ordinaryPassword},
	}
	// Whatever happens on the machine hits all three: each round tries each way once, in an order of its own.
	times := make([][]time.Duration, len(ways))
	var first string
	for round := range loginsOfEach {
		for _, i := range rand.Perm(len(ways)) {
			login := form{"email": address(fmt.Sprintf(ways[i].account, round/triesOfEach)), "password": ways[i].password}
			from := s.from(somewhere(len(ways)*round + i))
			began := time.Now()
			got := from.call(t, http.StatusUnauthorized, "POST", "/api/users/login", "", login)
			times[i] = append(times[i], time.Since(began))
			if first == "" {
				first = seen(got)
			}
			if what := seen(got); what != first {
				t.Fatalf("%s is answered with\n%s\nand another failure was answered with\n%s", ways[i].name, what, first)
			}
		}
	}
	for i, way := range ways {
		t.Logf("%-16s  median %v, 5 %% below %v, 5 %% above %v", way.name,
			percentile(0.5, times[i]), percentile(0.05, times[i]), percentile(0.95, times[i]))
	}
	const least, most = 0.45, 0.55
	for i, one := range ways {
		for j, other := range ways[:i] {
			area := auc(times[i], times[j])
			t.Logf("%s against %s: area under the ROC curve %.3f", one.name, other.name, area)
			if hold && (area < least || area > most) {
				t.Errorf("the time tells %s from %s: area %.3f, want %v to %v", one.name, other.name, area, least, most)
			}
		}
	}
	s.stop(t)
}

// seen is an answer without the two things that differ between any two requests.
func seen(a answer) string {
	header := maps.Clone(a.header)
	header.Del("Date")
	header.Del("X-Request-Id")
	return fmt.Sprint(a.status, header, strings.ReplaceAll(a.raw, a.header.Get("X-Request-Id"), ""))
}
