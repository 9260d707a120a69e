package e2e

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// generated makes a database of that seed, and gives its URL and what was said.
func generated(t *testing.T, seed string, args ...string) (url, said string) {
	t.Helper()
	url = "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")
	return url, must(t, setup{args: append([]string{"gen", "--seed", seed, "--database", url}, args...), env: cheap})
}

var (
	// ofNoSeed is what the same seed does not give again: user_ids, hashes, and when it was. An export ends with a sum of its lines.
	ofNoSeed = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\$argon2id\$[^"]*`)
	notRows  = regexp.MustCompile(`(?m)^.*(database\.generate|sha256).*\n`)
)

// rowsOf is all that a database holds and a seed decides.
func rowsOf(t *testing.T, url string) string {
	t.Helper()
	return notRows.ReplaceAllString(ofNoSeed.ReplaceAllString(exportOf(t, url), ""), "")
}

// A thousand people in twenty communities: the same ones for the same seed, and everybody can log in who is active.
func TestGeneratedPeopleLogIn(t *testing.T) {
	t.Parallel()
	url, said := generated(t, "7", "--users", "1000", "--communities", "20", "--memberships", "10000", "--password", ordinaryPassword)
	again, _ := generated(t, "7", "--users", "1000", "--communities", "20", "--memberships", "10000")
	other, _ := generated(t, "8", "--users", "1000", "--communities", "20", "--memberships", "10000")
	first := rowsOf(t, url)
	if rowsOf(t, again) != first {
		t.Error("the same seed gives other data")
	}
	if rowsOf(t, other) == first || strings.Count(first, "\n") < 11_000 {
		t.Error("another seed gives the same data, or nothing is compared")
	}
	found := regexp.MustCompile(`everybody logs in with that password, (\S+) for one`).FindStringSubmatch(said)
	if found == nil || !strings.Contains(said, "generated 1000 accounts") || !strings.Contains(said, "10000 memberships") {
		t.Fatalf("it says %q", said)
	}
	s := serve(t, setup{args: []string{"--database", url}, env: append(cheap, withAdmin...)})
	s.login(t, found[1], ordinaryPassword)
	s.stop(t)

	s = serve(t, setup{args: []string{"--database", again}, env: append(cheap, withAdmin...)})
	for _, word := range []string{ordinaryPassword, " "} {
		s.call(t, http.StatusUnauthorized, "POST", "/api/users/login", "", form{"email": found[1], "password": word})
	}
	s.stop(t)
}

func TestGeneratingLeavesAloneWhatIsThere(t *testing.T) {
	t.Parallel()
	url, _ := generated(t, "1", "--users", "10", "--communities", "2", "--memberships", "12")
	before := exportOf(t, url)
	code, _, said := run(t, setup{args: []string{"gen", "--database", url}, env: cheap})
	if code != 1 || !strings.Contains(said, "--add") || exportOf(t, url) != before {
		t.Errorf("into a database that is not empty: exit code %d, %s", code, said)
	}
	out := must(t, setup{args: []string{"gen", "--add", "--users", "10", "--communities", "2", "--memberships", "12", "--database", url}, env: cheap})
	if !strings.Contains(out, "generated 10 accounts") {
		t.Errorf("with --add it says %q", out)
	}
}
