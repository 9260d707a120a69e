package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	stepOfDemo = regexp.MustCompile(`(?m)^ *(\d+)/(\d+)  \S`)
	// unmasked is a secret that is shown: a password or token with a value, or a JWT wherever it stands.
	unmasked = regexp.MustCompile(`(?:password|token)"?[=:]"?[^"•\s]|"[^"]*(?:password|token)":"[^•]|eyJ[\w-]{8,}`)
)

// The demo plays the whole life of an account and shows every step without secrets.
func TestDemo(t *testing.T) {
	t.Parallel()
	t.Run("with a server of its own", func(t *testing.T) {
		t.Parallel()
		showsAllSteps(t, must(t, setup{args: []string{"demo"}}))
	})
	t.Run("against a server that runs", func(t *testing.T) {
		t.Parallel()
		s := serve(t, setup{env: append(cheap, withAdmin...)})
		showsAllSteps(t, must(t, setup{args: []string{"demo", "--url", s.url}, env: withAdmin}))
		s.stop(t)
	})
	t.Run("with a wrong password", func(t *testing.T) {
		t.Parallel()
		const wrong = "a perfectly wrong sentence"
		s := serve(t, setup{env: append(cheap, withAdmin...)})
		code, out, said := run(t, setup{args: []string{"demo", "--url", s.url, "--admin-email", adminEmail}, env: []string{"PROPUSK_ADMIN_PASSWORD=" + wrong}})
		if code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		if want := `step 4, "the administrator logs in"`; strings.Count(said, "\n") != 1 || !strings.Contains(said, want) || !strings.Contains(said, "401") {
			t.Errorf("stderr does not say in one line that %s was answered with 401: %q", want, said)
		}
		if strings.Contains(out+said, wrong) || strings.Contains(out, "all went as told") {
			t.Errorf("it said:\n%s", out+said)
		}
		s.stop(t)
	})
	t.Run("without a server", func(t *testing.T) {
		t.Parallel()
		s := serve(t, setup{env: append(cheap, withAdmin...)})
		s.stop(t)
		code, _, said := run(t, setup{args: []string{"demo", "--url", s.url}, env: withAdmin})
		if code != 1 || !strings.Contains(said, "step 1, ") {
			t.Errorf("exit code %d, %q: want 1 and the step", code, said)
		}
	})
}

func showsAllSteps(t *testing.T, out string) {
	t.Helper()
	steps := stepOfDemo.FindAllStringSubmatch(out, -1)
	for i, step := range steps {
		if step[1] != strconv.Itoa(i+1) || step[2] != strconv.Itoa(len(steps)) {
			t.Errorf("step %d of %d is numbered %s of %s", i+1, len(steps), step[1], step[2])
		}
	}
	if sent, got := strings.Count(out, "→"), strings.Count(out, "←"); len(steps) < 13 || sent != len(steps) || got != len(steps) {
		t.Errorf("%d steps, %d things sent, %d received", len(steps), sent, got)
	}
	if !strings.HasSuffix(out, "all went as told\n") {
		t.Errorf("it does not say that all went well")
	}
	if secret := unmasked.FindString(out); secret != "" || strings.Contains(out, adminPassword) {
		t.Errorf("it shows a secret: %q", secret)
	}
	if t.Failed() {
		t.Log(out)
	}
}
