package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/propusk/propusk/internal/config"
)

// load parses a command line as serve does.
func load(t *testing.T, args, environ []string) (*config.Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	c := config.Register(fs, config.Server, config.Admin, config.Tokens, config.Database, config.Passwords)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	known := []string{"search"}
	fs.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	return c, config.Load(fs, c, environ, known)
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNothingSetIsAConfigurationThatRuns(t *testing.T) {
	t.Parallel()
	c, err := load(t, nil, []string{"HOME=/root", "PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8000" || c.Database != "sqlite:propusk.db" || c.TokenLifetime != time.Hour ||
		c.SessionIdle != 7*24*time.Hour || c.SessionAbsolute != 30*24*time.Hour || !c.PasswordBlocklist.On() || !c.Registration.Is("open") {
		t.Errorf("defaults are %+v", c)
	}
}

func TestFlagGoesBeforeEnvironmentGoesBeforeDefault(t *testing.T) {
	t.Parallel()
	environ := []string{"PROPUSK_LISTEN=:9000", "PROPUSK_PASSWORD_MIN_LENGTH=12", "PROPUSK_ACCESS_LOG=", "PROPUSK_SEARCH=of another command"}
	c, err := load(t, []string{"--listen", ":9001"}, environ)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != ":9001" || c.PasswordMinLength != 12 || !c.AccessLog.On() {
		t.Errorf("listen %s, minimum %d, access log %s", c.Listen, c.PasswordMinLength, &c.AccessLog)
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 40)
	for name, args := range map[string][]string{"flag": {"--secret-key-file", file(t, secret+"\n")}, "environment": nil} {
		var environ []string
		if args == nil {
			environ = []string{"PROPUSK_SECRET_KEY_FILE=" + file(t, secret+"\r\n")}
		}
		if c, err := load(t, args, environ); err != nil || c.SecretKey != secret {
			t.Errorf("by %s: %v, the key has %d bytes", name, err, len(c.SecretKey))
		}
	}
}

func TestRefusedSettings(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-is-no-good-key"
	for _, tt := range []struct {
		why           string
		args, environ []string
		want          string
	}{
		{"short secret", nil, []string{"PROPUSK_SECRET_KEY=" + secret}, "--secret-key (PROPUSK_SECRET_KEY) must have at least 32 bytes"},
		{"unknown variable", nil, []string{"PROPUSK_LISTEM=:1"}, "no setting PROPUSK_LISTEM: did you mean PROPUSK_LISTEN?"},
		{"unknown variable, far from all", nil, []string{"PROPUSK_COLOUR=red"}, "no setting PROPUSK_COLOUR: see propusk serve --help"},
		{"secret twice", nil, []string{"PROPUSK_SECRET_KEY=" + strings.Repeat("s", 32), "PROPUSK_SECRET_KEY_FILE=" + file(t, secret)}, "both set"},
		{"file missing", []string{"--secret-key-file", "/nonexistent"}, nil, "--secret-key-file: open /nonexistent"},
		{"file empty", []string{"--secret-key-file", file(t, "\n")}, nil, "the file is empty"},
		{"word not allowed", nil, []string{"PROPUSK_ACCESS_LOG=maybe"}, "PROPUSK_ACCESS_LOG must be on|off, such as on"},
		{"number not a number", nil, []string{"PROPUSK_PASSWORD_MIN_LENGTH=" + secret}, "PROPUSK_PASSWORD_MIN_LENGTH must be int, such as 8"},
		{"no port", []string{"--listen", "localhost"}, nil, "--listen (PROPUSK_LISTEN) must be HOST:PORT"},
		{"unknown engine", []string{"--database", "mysql://x"}, nil, "--database (PROPUSK_DATABASE)"},
		{"admin without password", []string{"--admin-email", "a@example.org"}, nil, "and admin-password must be set together"},
		{"idle beyond absolute", []string{"--session-idle", "1000h"}, nil, "must be at least 5m and at most session-absolute"},
		{"token for ever", []string{"--token-lifetime", "1000h"}, nil, "must be from 1m to 24h"},
		{"any origin", []string{"--cors-origins", "*"}, nil, "must be exact origins"},
		{"origin with a path", []string{"--cors-origins", "https://a.example/x"}, nil, "must be exact origins"},
		{"no slots", []string{"--password-slots", "0"}, nil, "must be from 1 to 1024"},
	} {
		_, err := load(t, tt.args, tt.environ)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.why, err)
			continue
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error holds the value or more than a line: %v", tt.why, err)
		}
	}
}

// A command takes some groups only; what it does not take still has its default.
func TestSettingsOfOtherGroupsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	c := config.Register(pflag.NewFlagSet("", pflag.ContinueOnError), config.Database)
	if c.Issuer != "propusk" || c.PasswordMemory != 19456 {
		t.Errorf("issuer %q, memory %d", c.Issuer, c.PasswordMemory)
	}
}
